"""Every quantity a stranger chooses, with its bound: the one place that names them.

Bytes, lines, fields, recipients, sessions, names in DNS answers, records in stores, log text. Each constant says what
lies beyond it and why it is what it is; docs/design.md, "Bounds", has the table with what each costs at its bound.
What lies beyond is refused or cut, told once in the log, and costs nobody else.

Sources of what smtpd sets: OpenSMTPD's iobuf.c (IOBUF_MAX), lka_filter.c, smtp_session.c; seen on running daemons of
6.8 and 7.8.
"""

from __future__ import annotations

from typing import Final

# --- the protocol ----------------------------------------------------------------------------------------------------

#: A line to smtpd, newline included. One byte more and its lookup process spins for ever.
MAX_LINE_OUT: Final = 65_535

#: Head of a data line to smtpd: ``filter-dataline|`` + 16 + ``|`` + 16 + ``|``.
DATALINE_HEAD: Final = 50

#: Bytes of a message line that fit one line to smtpd with head and newline (65,536 would wedge it).
MAX_PAYLOAD: Final = 65_485

#: The same on smtpd before 7.4 (protocol below 0.7), which cuts every answer at 2047 bytes.
MAX_PAYLOAD_OLD: Final = 1_997

#: A line from smtpd that is longer than this is not kept: smtpd itself takes 65,535 bytes from a client.
MAX_LINE_IN: Final = 131_072

#: An SMTP reply, code included (RFC 5321, 4.5.3.1.5 allows 512 with CRLF).
MAX_REPLY: Final = 500

# --- envelopes and messages ------------------------------------------------------------------------------------------

#: Recipients of one transaction that are kept by name; more are counted, and the list is then known to be incomplete.
MAX_RECIPIENTS: Final = 1_000

#: Bytes of all of them together: 1,000 of the longest usual ones. smtpd takes addresses of up to 2,000 bytes.
MAX_RECIPIENT_BYTES: Final = 262_144

#: Bytes of the longest address that smtpd reports (its buffer has 256, with the angle bracket and a zero).
MAX_REPORTED_ADDRESS: Final = 254

#: A header block that is looked at; what is longer is body to the filters.
MAX_HEADER: Final = 262_144

#: Fields of a header that is looked at or edited. Mail that went through many hands has a hundred or two; with more the
#: message is refused (550 5.6.0), whatever -F says, as nobody could say what it is.
MAX_FIELDS: Final = 1_000

#: Lines of such a header; a To with ten thousand addresses has as many. Beyond, the message is refused likewise.
MAX_HEADER_LINES: Final = 20_000

#: A message larger than this is spooled to a file.
SPOOL_ABOVE: Final = 1_048_576

#: Bytes of all messages together that are in memory. When there are more, whatever message grows is spooled from 64 KB
#: on: a scanner that hangs makes them many. Beside them smaller ones stay, which a session has one of.
MAX_IN_MEMORY: Final = 67_108_864

#: Bytes of one block of text given to scanners, and of one step of a release.
BLOCK: Final = 65_536

# --- DNS -------------------------------------------------------------------------------------------------------------

#: Records of one answer that are used, by kind. With more of them the answer is "cut": it counts for what is in it, and
#: what is not in it is not known to be absent. A real name has a handful, a large domain some 50 TXT records.
MAX_RECORDS: Final = {"A": 1_000, "AAAA": 500, "TXT": 250, "MX": 100, "PTR": 100, "NS": 100, "CNAME": 16}

#: Work on one answer before it is parsed, in microseconds as `filter_api.net.dns.wire` counts them: 1,000 addresses, or
#: 200 names of an ordinary length, or 14 names of 126 labels.
MAX_ANSWER_WORK: Final = 25_000

#: Records of the authority section: one SOA is looked for.
MAX_AUTHORITY: Final = 8

#: Room of the cache, in units of `CACHE_UNIT` bytes (about 6 MB); what was not used for longest goes first.
MAX_CACHE_UNITS: Final = 10_000

#: An entry of the cache takes one unit, with a small answer in it, and one more for every 512 bytes of it.
CACHE_UNIT: Final = 512

#: Descriptors a filter wants: questions to the DNS take 384 at the most, scanners and readers of its socket the rest.
MAX_DESCRIPTORS: Final = 4_096

#: Questions that are out though no answer came soon, each with a socket; beyond, they end where others wait for a turn.
MAX_SILENT_QUESTIONS: Final = 256

#: Bytes from which on a client's name may be the head of a longer one: smtpd keeps 64 on Linux, a zero included.
CUT_NAME: Final = 63

#: Names of one client that are looked up (RFC 7208 §4.6.4 has the same bound); with more of them absence is doubt.
MAX_CLIENT_NAMES: Final = 10

# --- DKIM and ARC ----------------------------------------------------------------------------------------------------

#: Signatures of one message that are judged, those near the author's domain first; the others are counted. Each costs
#: a question to the DNS and at most 5 ms of arithmetic.
MAX_SIGNATURES: Final = 10

#: Signature fields of one message that are looked at for the ten to judge, from the top.
MAX_SIGNATURE_FIELDS: Final = 500

#: Sets of an ARC chain; with more of them the chain fails (RFC 8617, 5.2).
MAX_ARC_SETS: Final = 50

#: Tags of one tag list, a signature's or a key record's (RFC 6376 defines 14); a longer list is malformed.
MAX_TAGS: Final = 64

#: Names in h= of one signature that is judged: our own signer makes at most 1,010.
MAX_SIGNED_NAMES: Final = 2_000

#: Bytes of one value in base64 (b=, bh=, p=), white space included: the largest RSA key needs 2,800.
MAX_BASE64: Final = 8_192

#: Bytes of a key record with all its strings; a longer one is no key.
MAX_KEY_RECORD: Final = 16_384

#: Key records of one selector that are tried, one after the other (RFC 6376, 6.1.2).
MAX_KEY_RECORDS: Final = 10

#: Bits of an RSA key that is used for verifying: OpenSSL takes no longer one; 4.5 ms at most with the next bound.
MAX_RSA_BITS: Final = 16_384

#: Bits of its public exponent: common ones have 17, and OpenSSL takes no more than 64 for large keys.
MAX_RSA_EXPONENT_BITS: Final = 64

#: Seconds that t= may lie ahead of our clock where a receiver asks; with more the signature does not count.
SIGNED_AHEAD: Final = 300

#: Characters of a domain name as text (RFC 1035, 3.1, four bytes for one at most) that is compared at all.
MAX_NAME_TEXT: Final = 1_024

#: Bytes of a From field whose addresses are read; in a longer one there is no author.
MAX_FROM: Final = 65_536

#: Bytes of From, To and Cc of one message that are gone through byte by byte as smtpd does, because some address lacks
#: its domain or is commented, escaped or in a group; with more of them the message passes unsigned. 1.5 us a byte.
MAX_REWRITTEN: Final = 24_000

# --- DMARC and Authentication-Results ---------------------------------------------------------------------------------

#: Domains of the author of one message that are judged (RFC 9989, 11.5 leaves it to us); with more there is no author.
MAX_AUTHORS: Final = 4

#: Bytes of the From field whose author is judged, 12 ms of work; in a longer one there is none.
MAX_AUTHOR_FIELD: Final = 16_384

#: Names that are asked for their DMARC record for one message: a walk has 8, and few domains are walked from.
MAX_DMARC_QUESTIONS: Final = 40

#: Bytes of a DMARC record; a longer one has no policy that could be obeyed. Real ones have a hundred or two.
MAX_DMARC_RECORD: Final = 4_096

#: Addresses for reports of one record that are read.
MAX_REPORT_ADDRESSES: Final = 10

#: Bytes of an Authentication-Results field that is read; a longer one counts as unreadable.
MAX_RESULTS_FIELD: Final = 65_536

#: Results in one such field that are read, and properties of each.
MAX_RESULTS: Final = 100

#: Characters of a value, and of a reason, in such a field of ours: a name has 253.
MAX_RESULT_VALUE: Final = 253

# --- aggregate reports of DMARC ---------------------------------------------------------------------------------------

#: Characters of one row, most have 400: of many signatures with long names the last are left out.
MAX_REPORT_ROW: Final = 4_096

#: Characters of the reason why a row's policy was overridden: a chain of sealers can be long.
MAX_REPORT_COMMENT: Final = 1_000

#: Different rows of one domain's report of one day; with more of them messages are counted, not told.
MAX_REPORT_ROWS: Final = 10_000

#: The same of all domains.
MAX_REPORT_ROWS_A_DAY: Final = 100_000

#: Different rows that wait for the store, which is written to once a second; what is more is lost, and counted.
MAX_REPORT_PENDING: Final = 10_000

#: Characters of those rows and their records, as a stranger can make each as long as it may be.
MAX_REPORT_PENDING_TEXT: Final = 8_388_608

#: Days for which rows are kept.
REPORT_DAYS: Final = 3

# --- SPF -------------------------------------------------------------------------------------------------------------

#: Bytes of an SPF record; with more it is a permanent error. RFC 7208 §3.4 advises 450; large flattened ones have 4 KB.
MAX_SPF_RECORD: Final = 8_192

#: Bytes of all records of one check: what one answer of the DNS can hold. Beyond is a permanent error.
MAX_SPF_RECORDS: Final = 65_536

#: Terms of one record; with more it is a permanent error.
MAX_SPF_TERMS: Final = 1_000

#: Macros, escapes and pieces of text in one domain of a record; with more it is a permanent error. Real ones have ten.
MAX_SPF_PIECES: Final = 64

#: Characters of what a client says (its local part, its HELO name), where a macro wants it. RFC 5321 §4.5.3.1 allows
#: 64 and 255; beyond, the record is a permanent error for this client.
MAX_SPF_VALUE: Final = 768

#: Memory of parsed records, in bytes as `filter_api.net.spf.record` counts them; the one not used for longest goes.
MAX_SPF_KNOWN: Final = 4_194_304

#: From this prefix length on a network of an SPF record vouches for a client in it, by IP version.
VOUCHING_PREFIX: Final = {4: 12, 6: 28}

#: Addresses that the networks of a domain's records may have in all and still vouch, by IP version: two of the widest.
#: The large providers together (Microsoft, Google, SendGrid, Mailchimp, Amazon) have half of it.
MAX_VOUCHED_ADDRESSES: Final = {4: 2 << 20, 6: 2 << 100}

# --- who vouches -----------------------------------------------------------------------------------------------------

#: Answers of SPF about clients and senders that are remembered, some 500 bytes each; that not used for longest goes.
MAX_VOUCHED: Final = 2_048

#: Seconds for which they are believed at most, whatever the DNS says.
VOUCHED_SECONDS: Final = 3_600

#: Seconds for which they are believed at least; and doubt, where the DNS did not answer, is believed no longer.
DOUBT_SECONDS: Final = 30

# --- scanners --------------------------------------------------------------------------------------------------------

#: Questions that wait for their turn with the scanners, some 5 KB each beside their messages. With more of them the
#: next one is not asked, and -F decides at once.
MAX_WAITING: Final = 4_096

#: Bytes of an answer of a scanner, beside the header it repeats: an honest one has some hundred. With more it is no
#: answer, and -F decides.
MAX_SCANNER_ANSWER: Final = 65_536

#: Bytes of an answer of clamd: one line, of which the name of a signature is the longest part.
MAX_CLAMD_ANSWER: Final = 4_096

#: Characters of the name of a signature in replies, fields and the log; the rest is cut.
MAX_SIGNATURE_NAME: Final = 100

#: Bytes of the head of an answer of spamd.
MAX_SPAMD_HEAD: Final = 4_096

#: Names of tests that hit; what else spamd names is left out. A real message hits some thirty.
MAX_TESTS: Final = 300

#: Lines of the fields that are taken over from spamd (-k); fields beyond are left out.
MAX_TAKEN_LINES: Final = 100

# --- the log ----------------------------------------------------------------------------------------------------------

#: Characters of a line in the log. Values are cut until it fits, the longest first; the line itself never is.
LOG_LINE: Final = 900

#: Characters of one escaped value in the log: an address of RFC 5321 §4.5.3.1 (64 + 1 + 255) fits whole.
LOG_VALUE: Final = 320

#: Bytes of a line of a log file that filterctl reads; what stands behind them is skipped.
LOG_LINE_READ: Final = 16_384

#: Sessions of a log of which filterctl holds the lines at a time, some 2 KB each; that not heard of for longest goes.
LOG_SESSIONS: Final = 8_192

#: Lines of one session it holds; a hundred mails with five filters need less. Those behind them are left out.
LOG_SESSION_LINES: Final = 1_000

#: Lines of a log it holds in all, some 400 bytes each; the sessions not heard of for longest make room.
LOG_LINES_HELD: Final = 200_000

#: Sessions that fit what filterctl was asked for and are kept to the end; with more of them it asks for a shorter span.
LOG_SESSIONS_FOUND: Final = 5_000

#: Names of one kind (senders' domains, networks) that filterctl counts one by one; later ones are counted together.
LOG_NAMES: Final = 20_000

# --- the quarantine --------------------------------------------------------------------------------------------------

#: Bytes of the facts of one message: a thousand recipients need 270 KB. With more the recipients are left out, and the
#: message can be released to recipients given by hand only; a longer file is damaged.
MAX_FACTS: Final = 1_048_576

# --- greylisting -----------------------------------------------------------------------------------------------------

#: Networks of clients of a primary MX that are remembered for option -M, 150 bytes each; beyond, the oldest go.
MAX_SEEN: Final = 20_000

# --- the greylist ----------------------------------------------------------------------------------------------------

#: Tuples of one client network (option -b of filter-greylist). Beyond, those of its most crowded address give way.
MAX_NETWORK_TUPLES: Final = 1_000

#: Tuples in all (option -b): 300 MB of SQLite. Beyond, those of the most crowded prefix give way, one for one.
MAX_TUPLES: Final = 2_000_000

#: White addresses, and as many trapped ones (option -b): ten times as many as send mail to a large server in 36 days.
#: Beyond, those of the most crowded prefix give way.
MAX_HOSTS: Final = 200_000

#: Pairs learned from outgoing mail, and as many domains (option -b): 85 MB of SQLite for each kind. 5,000 users
#: who write to a hundred people each in 36 days. Beyond, the least recently renewed give way.
MAX_LEARNED: Final = 500_000

#: Bytes of a HELO name, a sender or a recipient that a tuple keeps for the listing; smtpd's command line holds 2,047.
MAX_DETAIL: Final = 1_000

#: Bytes of a domain, of a trap address, of one side of a pair; a store that holds longer ones holds none of ours.
MAX_GREYLIST_NAME: Final = 2_000

# --- lists of addresses ----------------------------------------------------------------------------------------------

#: Entries of a list that others publish: twice the largest that is known. With more the list is refused.
MAX_LIST_ENTRIES: Final = 2_000_000

#: Bytes of a compiled list: a million ranges of IPv6, or more than the two million entries of IPv4. A larger one is
#: neither written nor read; reading it takes 20 ms.
MAX_COMPILED: Final = 33_554_432

#: Bytes of a published list as it is fetched, compressed or not, and when it is unpacked. With more it is refused.
MAX_LIST_FETCHED: Final = 67_108_864
MAX_LIST_PLAIN: Final = 268_435_456

#: Lines of such a list, comments and empty ones included.
MAX_LIST_LINES: Final = 8_000_000

#: Bytes of one of its lines that are looked at; a longer one is no entry.
MAX_LIST_LINE: Final = 4_096

#: Entries of a list that a filter reads as text (``file:``): 50 ms. A longer one is for `filterctl lists update`.
MAX_LIST_BY_HAND: Final = 10_000

#: Lists of one lists.conf. Each costs a look at its file every second and a microsecond a client.
MAX_LISTS: Final = 100

#: Seconds for fetching one list, from the first question to the last byte.
LIST_SECONDS: Final = 120

#: Redirects that are followed for one list.
MAX_REDIRECTS: Final = 5

# --- several filters in one process ----------------------------------------------------------------------------------

#: Seconds that all members of a chain have together for a command; a filter that is alone has its own (-T).
CHAIN_COMMAND_SECONDS: Final = 30.0

#: The same from the dot of a message to its verdict: smtpd's clients wait ten minutes at least (RFC 5321, 4.5.3.2.6).
CHAIN_MESSAGE_SECONDS: Final = 110.0

#: A member that would get less time than this is not asked: its failure policy answers.
LEAST_SECONDS: Final = 1.0

#: Bytes set aside for when memory runs out: enough to answer and to refuse what is held. Address space only.
MEMORY_RESERVE: Final = 1_048_576

# --- the control socket -----------------------------------------------------------------------------------------------

#: Connections at a time, each with an answer that is not read yet at most; one more, and the oldest is dropped.
MAX_CONTROL_READERS: Final = 16

#: Seconds from a connection to the last byte of its answer; filterctl needs a hundredth.
CONTROL_SECONDS: Final = 5.0

#: Seconds between two connections that are taken: who connects all the time gets a small share of the event loop.
CONTROL_PAUSE: Final = 0.02

#: Bytes of a request: a web server in between adds some fields.
MAX_CONTROL_REQUEST: Final = 8_192

#: Bytes of an answer: nine filters with a hundred files and 64 lists have 100 KB of metrics. A longer one is not given.
MAX_CONTROL_ANSWER: Final = 262_144

#: Bytes of it that are written at a time.
CONTROL_PIECE: Final = 16_384

#: Files, daemons and queues that a status names, by their names; with more of them the last are left out.
MAX_CONTROL_NAMES: Final = 200

#: Figures that one filter tells of itself, and the process beside its filters; with more of them the last are left out.
#: 64 lists in the DNS have 256.
MAX_FIGURES: Final = 512

#: Different reply codes that one filter's are counted by; further ones are counted together. Ours have a dozen.
MAX_REPLY_CODES: Final = 32

#: Sessions that are traced at a time, the last lines kept of each, and the seconds for which nobody need ask for them.
MAX_TRACED: Final = 8
MAX_TRACED_LINES: Final = 200
TRACED_SECONDS: Final = 60.0

# --- lists that are asked through the DNS ----------------------------------------------------------------------------

#: Lists of one filter: each costs a question a session; postscreen's users have a dozen. More are refused at start.
MAX_DNS_LISTS: Final = 64

#: Characters of a list's domain: the 64 of an IPv6 address by nibbles stand in front, and a name has 253.
MAX_LIST_DOMAIN: Final = 189

#: Bytes of a file of keys; a larger one is refused: it is something else.
MAX_KEY_FILE: Final = 65_536

#: Characters of a list's own text (%T) in a reply; the rest is cut, and of the whole reply as well.
MAX_LIST_TEXT: Final = 300

#: Messages that a page lists one by one, the newest; of more than that only figures are of use.
PAGE_MESSAGES: Final = 1_000

# --- filterctl: the quarantine ---------------------------------------------------------------------------------------

#: Messages that a digest lists; a longer one nobody reads, and more are counted.
DIGEST_LINES: Final = 200

#: Recipients who get a digest in one run: a spammer chooses them, and each costs a mail.
DIGESTS: Final = 10_000

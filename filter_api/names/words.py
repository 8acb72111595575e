"""The vocabulary of `filter_api.names.dynamic`: what words in a host name tell about the line behind it. Data only.

A word is a run of letters in one label, lower case. Each kind counts once, however many of its words a name has.
Weights are points; 5 is the default score of refusal. They are meant to be read by an administrator, and argued with:

- a word that only addresses of subscribers carry (dynamic, dhcp, dial-up) is enough by itself;
- a technology (dsl, cable, fibre) or a mobile network is not, as businesses and their mail servers use those lines,
  too: something else must join it, mostly the client's address in the name;
- words for customers are weak: a hoster calls its machines clients;
- a word of a mail server, or of a line with a static address, takes away what the address in the name gave;
- a word of a line with a static address, or for business, outweighs all words for lines and customers beside it, as a
  static line is one of these, too; only a word that says that the address changes stands against it.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Kind(NamedTuple):
    """Words that say the same: what the log and `explain` call it, its points, its words."""

    name: str
    weight: int
    words: str


KINDS: Final = (
    # --- lines of subscribers -------------------------------------------------------------------------------------
    Kind(
        "dynamic",
        5,
        "dyn dynamic dynamicip dynip dynamique dynamik dynamisch dynamisk dynamiczne dinamic dinamico dinamica dinamik"
        " dinamikus dhcp dhcpd bootp"
        # how a large Japanese provider names the access nodes of lines whose address changes
        " ipngn ipbf ipoe",
    ),
    Kind("dialup", 5, "ppp pppoe pppoa dial dialup dialin dialer einwahl modem isdn"),
    Kind("handset", 5, "gprs umts hspa lte cdma gsm apn"),
    Kind(
        "residential",
        4,
        "res resi resid residential residencial residenziale rezidential resnet privat priv particulier",
    ),
    Kind("dsl", 4, "dsl adsl vdsl xdsl hdsl shdsl gdsl dslam adslplus adslam"),
    Kind(
        "broadband",
        4,
        "broadband broad bband breitband bredband laajakaista bandalarga bandaancha szelessav sirokopasmo",
    ),
    Kind("pool", 4, "pool pools ippool iprange"),
    Kind("mobile", 4, "mobile mobil mob movil movel mobiel wimax wifi wlan wireless hotspot epc"),
    Kind("cable", 3, "cable kabel kabl catv docsis hfc cmts cablelink cabo cablep hsi hsd"),
    Kind("fibre", 3, "fibre fiber fibra ftth fttb fttx fttc gpon fios glasfaser swiatlowod lightspeed uverse baf"),
    Kind("access", 3, "access acceso accesso acces bras bng lns dip aftr pop"),
    Kind("equipment", 3, "cpe cpc ont onu hgw homegateway"),
    Kind("nat", 3, "nat cgn cgnat natpool"),
    Kind("unassigned", 3, "unassigned unused unallocated unknown"),
    Kind("home", 2, "home casa hogar domicile retail bb cm"),
    Kind(
        "subscriber",
        2,
        "abo abos abonne abonnes abonent abonents abonado abonat abone subs sub subscriber subscribers assinante"
        " cust custs customer customers client clients cliente clientes clienti dclient klient klienti klant klanten"
        " kund kunde kunden kunder asiakas zakaznik musteri user users usuario usuarios utente utenti user3g elofizeto",
    ),
    Kind("brand", 2, "neoplus neostrada livebox speedy infinitum megaline chello triband"),
    Kind("generic", 1, "addr revip reverse rev ptr"),
    # --- the opposite ---------------------------------------------------------------------------------------------
    Kind(
        "mail",
        -5,
        "mail mails smtp smtps esmtp mx mxs mxa mxb mta mtas relay relays outbound mout mailer mailers sender bounce"
        " bounces newsletter newsletters lists listserv mailman exchange owa imap correo posta poczta courriel"
        " outgoing send delivery",
    ),
    Kind(
        "static",
        -5,
        "static staticip statique statico estatico estatica statisch statisk statikus fix fixe fisso fijo fixip fixedip"
        " ipfixe ipfixa fissa fija feste sabit statyczny statyczne perm permanent"
        " biz business b2b corp corporate company enterprise enterprises entreprise entreprises empresa empresas"
        " empresarial bedrift firma firmen gewerbe impresa imprese azienda aziende zakelijk zakelijke foretag erhverv"
        " yritys sme pme pyme kmu geschaeft geschaeftskunde geschaeftskunden firmenkunde firmenkunden"
        " leased leasedline"
        # what two large cable companies call their lines with a static address
        " wsip rrcs",
    ),
    # said of lines that do not move as often as of addresses that do not change; "fixed-ip" is static
    Kind("fixed", -2, "fixed"),
    Kind(
        "server",
        -3,
        "server servers srv vps vserver vds vm vmi kvm cloud compute instance instances dedicated dedi dedibox colo"
        " colocation hosting hosted housing rack datacenter datacentre ns dns www web gw gateway fw firewall vpn"
        " office",
    ),
)

WEIGHTS: Final[dict[str, int]] = {kind.name: kind.weight for kind in KINDS}

WORDS: Final[dict[bytes, str]] = {word.encode(): kind.name for kind in KINDS for word in kind.words.split()}

#: Kinds that say that the address changes; no word for a static line outweighs them.
CHANGING: Final = frozenset({"dynamic", "dialup", "handset"})

#: Kinds that count nothing beside a word for a static line, or in a domain of a hoster or for business.
OUTWEIGHED: Final = frozenset(kind.name for kind in KINDS if kind.weight > 0) - CHANGING

#: Registered domains of providers that call the lines of homes static, too: there the word outweighs nothing.
CALLED_STATIC: Final = frozenset({b"bbox.fr"})

#: Words that say nothing alone, but complete a compound: dynamic-ip, mail-out, cable-net.
NEUTRAL: Final = frozenset(b"ip ips net out in up line host hub one de uk fr us eu".split())

#: Beginnings and ends that give a whole run of letters away: mailgate, smtpq, athedsl, vsmtp, cloudvps.
PREFIXES: Final = ((b"mail", "mail"), (b"smtp", "mail"), (b"cloud", "server"), (b"server", "server"))
SUFFIXES: Final = (
    (b"dsl", "dsl"),
    (b"mail", "mail"),
    (b"smtp", "mail"),
    (b"mta", "mail"),
    (b"relay", "mail"),
    (b"vps", "server"),
    (b"server", "server"),
)

#: Second-level labels under which names are registered, beside any of two letters below a country's domain.
SECOND_LEVELS: Final = frozenset(
    b"com net org edu gov mil gob gouv govt nom info web biz name firm ind asso ltd plc sch nhs".split()
)

#: Registries of third parties below com, net and org.
PSEUDO_REGISTRIES: Final = frozenset(
    b"co.com uk.com us.com eu.com de.com br.com cn.com jpn.com ru.com sa.com za.com uk.net gb.net se.net eu.org".split()
)

#: Registered domains whose generic names belong to machines in data centres.
DATA_CENTRES: Final = frozenset(
    b"amazonaws.com googleusercontent.com azure.com linodeusercontent.com linode.com vultrusercontent.com vultr.com"
    b" choopa.com choopa.net poneytelecom.eu scw.cloud scaleway.com pbiaas.com hosteurope.de transip.net ghst.net"
    b" unifiedlayer.com secureserver.net websitewelcome.com hostgator.com bluehost.com dreamhost.com cprapid.com"
    b" ovh.net ovh.ca ovh.us kimsufi.com soyoustart.com leaseweb.com leaseweb.net worldstream.nl"
    b" hostwindsdns.com colocrossing.com racknerd.com quadranet.com psychz.net hvvc.us lstn.net softlayer.com"
    b" wholesaleinternet.net nocix.net ramnode.com frantech.ca hstgr.io clouvider.net m247.com datapacket.com"
    b" liquidweb.com rackspace.com selectel.ru timeweb.ru firstvds.ru fvds.ru vdsina.ru".split()
)

#: Top-level domains that say the same.
HOSTING_REGISTRIES: Final = frozenset({b"cloud", b"hosting"})

#: Parts of a registered domain that say the same: contaboserver, comcastbusiness, upcbusiness, hosting-something.
DOMAIN_PARTS: Final = tuple(b"server servers host hosts hosting hoster vps cloud dedicated business".split())
DOMAIN_WEIGHT: Final = -4

"""Debian's amavisd-new inside a private room: the content filter a mail server hands its mail to and gets it back from.

Its settings are Debian's, with the checks switched on that Debian leaves to the administrator, the same SpamAssassin
configuration and the same clamd as the filters have, and everything it writes in memory.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.private_smtpd import Namespace
from tools.private_smtpd.backends import FOLDER, Backend

HOME = "/run/amavis"
DEFAULTS = ("/usr/share/amavis/conf.d", "/etc/amavis/conf.d")
SETTINGS = f"""use strict;
$MYHOME = '{HOME}'; $TEMPBASE = "$MYHOME/tmp"; $ENV{{TMPDIR}} = $TEMPBASE; $helpers_home = $MYHOME;
$db_home = "$MYHOME/db"; $lock_file = "$MYHOME/lock"; $pid_file = "$MYHOME/pid"; $QUARANTINEDIR = "$MYHOME/quarantine";
$mydomain = 'example.org'; $myhostname = 'mx.example.org'; @local_domains_maps = (1);
$max_servers = PROCESSES;
$enable_db = 0; $enable_zmq = 0; $DO_SYSLOG = 0; $LOGFILE = "$MYHOME/log"; $log_level = 0;
$inet_socket_bind = '127.0.0.1'; $inet_socket_port = 10024;
$forward_method = 'smtp:[127.0.0.1]:10025'; $notify_method = $forward_method;
@bypass_virus_checks_maps = (\\%bypass_virus_checks, \\@bypass_virus_checks_acl, \\$bypass_virus_checks_re);
@bypass_spam_checks_maps = (\\%bypass_spam_checks, \\@bypass_spam_checks_acl, \\$bypass_spam_checks_re);
@av_scanners = (['ClamAV-clamd', \\&ask_daemon, ["CONTSCAN {{}}\\n", "{FOLDER}/clamd.sock"],
  qr/\\bOK$/m, qr/\\bFOUND$/m, qr/^.*?: (?!Infected Archive)(.*) FOUND$/m]);
@av_scanners_backup = ();
$sa_local_tests_only = 1; $sa_siteconfigpath = '{FOLDER}/spamassassin';
$sa_tag_level_deflt = -999; $sa_tag2_level_deflt = 5; $sa_kill_level_deflt = 1000;
1;
"""


def start_amavis(room: Namespace, processes: int) -> Backend:
    """amavisd at port 10024, giving back to port 10025; clamd and the configuration of spamd are there already.

    Raises Unavailable where the package is not installed.
    """
    home = room.top / HOME.lstrip("/")
    for folder in (home, home / "tmp", home / "db", home / "quarantine"):
        folder.mkdir()
        if shutil.which("amavisd", path="/usr/sbin"):
            shutil.chown(folder, "amavis", "amavis")
    ours = f"{FOLDER}/amavisd.conf"
    (room.top / ours.lstrip("/")).write_text(SETTINGS.replace("PROCESSES", str(processes)))
    # those that begin with 05 look for the name of this machine, which is set here
    files = [str(path) for each in DEFAULTS for path in sorted(Path(each).glob("*")) if path.name[:2] != "05"]
    command = ["amavisd", *(word for path in (*files, ours) for word in ("-c", path)), "foreground"]
    return Backend(room, "amavisd", command, 10024, (b"", b"220 "))

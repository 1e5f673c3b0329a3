"""What counts as words that say nothing, and what does not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from polysigma.guide.checks_text import check_text
from polysigma.source import read_text

FILLER = """\
None
none known
None at this time.
No known false positives
No false positives known.
Unknown at this time
Unlikely.
Very unlikely
Possible
Some legitimate software
Legitimate administrator activity.
System administrators
Depends on your environment.
Tune as needed
Tune accordingly
Please tune it for your environment
Adjust the threshold to your needs.
Whitelist known good hosts
Use common sense.
Investigate the alert.
Check the logs
Check the logs for suspicious activity.
Contact the security team.
Escalate if suspicious
Follow standard procedures
Follow the standard operating procedure
Reimage the host if necessary
As required
TBA
?
...
n.a.
Not sure
To be written
Same as in the other detection.
Refer to the vendor's documentation.
Coming soon
Monitor the situation
Standard user activity
Normal network traffic
Business as usual
Various reasons
""".splitlines()
ADVICE = """\
Administrators who use psexec from the jump host adm-01
Check the proxy's log of the host for the name behind DestinationIp
Possible only where event 3 is switched on
High on servers that run a mail agent of their own
Unlikely on a workstation: nothing there listens on 25
None of the programs in Processes signs its updates
Escalate to the network team, who can close the port on the firewall
Reimage the host once the memory is saved, if bot.exe was signed by nobody
Follow the connection to the other hosts by DestinationIp
Adjust min_score to 3 where one person is on duty
""".splitlines()


def found(text):
    """The findings about a guide in which a text stands."""
    (document,) = read_text(f"because: |-\n    {text}\n", "guide.yaml")
    return list(check_text(SimpleNamespace(document=document, atomics=())))


@pytest.mark.parametrize("text", FILLER)
def test_filler_is_found_at_its_place(text):
    (finding,) = found(text)
    assert (finding.code, finding.at.line) == ("filler", 2)
    assert "says nothing" in finding.message
    assert finding.hint


@pytest.mark.parametrize("text", ADVICE)
def test_advice_that_begins_like_filler_is_none(text):
    assert found(text) == []

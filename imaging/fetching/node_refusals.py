"""What it means that a DIMSE node opens no association, takes no service, or ends a service with some status (PS3.7, annex C)."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset

from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging.fetching.options import Dimse
from unibase.imaging.fetching.polite import Again
from unibase.imaging.fetching.reasons import NOT_RETRIEVED, NOT_TAKEN

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
PENDING = (0xFF00, 0xFF01)
SERVICES = {
    FIND: ("C-FIND (study root)", "Have it allowed there for our AE title, or name another node under `dimse`."),
    GET: ("C-GET", "Write retrieve: move under `dimse`, and have our title, address and listen_port entered there."),
    MOVE: ("C-MOVE", "Write retrieve: get under `dimse`, or have it allowed there for our AE title."),
}
"""What each service is called, and what to do where an archive does not take it."""


type _Untyped = Any
"""What pynetdicom, which has no types, makes."""


@dataclass(frozen=True)
class Asked:
    """What an association is for.

    Attributes:
        service: SOP class of the service, or of the first object that would be stored.
        node: What the study file says of the archive.
        timeout: Seconds without an answer.
        tls: Certificates, or None for a connection in clear.
    """

    service: str
    node: Dimse
    timeout: float
    tls: ssl.SSLContext | None


def refuse_association(association: _Untyped, asked: Asked) -> None:
    """Raise why no association came to be, or not for the service that it is for.

    Args:
        association: As pynetdicom has it after the negotiation.
        asked: What it is for.

    Raises:
        Again: If nobody answers, or it was cut.
        UserError: If the archive refuses us for good, with what to mend.
        Unusable: If it takes nothing of what would be stored there.
    """
    node = asked.node
    if association.is_established:
        if asked.service in SERVICES and all(one.abstract_syntax != asked.service for one in association.accepted_contexts):
            association.release()
            raise _no_service(asked.service, node)
        return
    if association.is_rejected:
        answer = association.acceptor.primitive
        reasons = {3: f"it does not know our AE title {node.calling}", 7: f"it is not called {node.called}"}
        if answer.result_source == 1 and answer.diagnostic in reasons:
            raise UserError(
                f"The archive refuses the association: {reasons[answer.diagnostic]}. Mend `dimse`, or have it entered there."
            )
        if answer.result == 2:
            raise Again("refuses associations for the moment")
        raise UserError("The archive refuses the association. Have its administrator look why: titles and addresses are usual.")
    if association.rejected_contexts:
        raise _no_service(asked.service, node)
    if asked.tls is not None:
        _refuse_certificate(node, asked.tls, asked.timeout)
    raise Again("does not answer an association, or cut it")


def _no_service(service: str, node: Dimse) -> UserError | Unusable:
    """Return what to do about an archive that does not speak a service, or takes no object that we would store there."""
    if service not in SERVICES:
        return Unusable(NOT_TAKEN)
    name, remedy = SERVICES[service]
    return UserError(f"The archive {node.called} answers, but takes no {name} of us. {remedy}")


def _refuse_certificate(node: Dimse, tls: ssl.SSLContext, timeout: float) -> None:
    """Raise what is wrong of an encrypted connection, as far as a further one shows it: pynetdicom tells a cut one alone.

    Raises:
        UserError: If the archive's certificate is not trusted, or it speaks no TLS, or wants another certificate of ours.
    """
    try:
        with (
            socket.create_connection((node.host, node.port), timeout) as plain,
            tls.wrap_socket(plain, server_hostname=node.host) as link,
        ):
            # In TLS 1.3 a certificate of ours is refused after the handshake; who accepts it waits for us to speak.
            link.settimeout(min(timeout, 2.0))
            link.recv(1)
    except ssl.SSLCertVerificationError as error:
        raise UserError(
            f"The archive's certificate is not trusted ({error.verify_message}). Name the authority that signed it: tls.ca"
        ) from None
    except ssl.SSLError as error:
        raise UserError(
            f"The archive ends the encrypted connection ({error.reason}). Is it a port for TLS, and does it know our certificate?"
        ) from None
    except OSError:
        return


def refuse_status(status: Dataset, service: str) -> None:
    """Raise what a status other than success, pending or warning means.

    Args:
        status: As pynetdicom gives it; empty where the association was cut.
        service: What the service is called.

    Raises:
        Again: If it may pass.
        UserError: If the archive does not know where to send to.
        Unusable: If it cannot give what was asked for.
    """
    if "Status" not in status:
        raise Again("does not answer in time, or cut the association; some do where they do not know our AE title")
    code = status.Status
    if code in (0x0000, *PENDING) or 0xB000 <= code <= 0xBFFF:
        # A warning says that some sub-operations failed: what did not come is asked for alone, and told.
        return
    if code == 0xA801:
        raise UserError("The archive does not know where to send to: have our AE title, address and port entered there (0xA801).")
    if code == 0xA702:
        said = "sends none of it: it may not send objects of this class, or not in a transfer syntax that we take"
        raise Again(f"{said} ({service} 0xA702)", of_the_study=True)
    if 0xA700 <= code <= 0xA7FF:
        raise Again(f"is out of resources ({service} 0x{code:04X})", of_the_study=True)
    raise Unusable(NOT_RETRIEVED, f"The archive answers {service} with status 0x{code:04X}.")

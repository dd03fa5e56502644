"""Encrypted and compressed: a real Orthanc with a certificate of a local authority, holding images as scanners compress them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pydicom
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.flows import orthanc as real
from tests.flows.test_fetch import CENTRE, Night, home  # noqa: F401  # a fixture
from tests.flows.tls_front import tls_front
from tests.imaging.deidentify_help import PYDICOM_FILES, ct, save
from unibase.groundwork.problems import UserError

COMPRESSED = {
    "MR_small_jp2klossless.dcm": "JPEG 2000, lossless",
    "MR_small_jpeg_ls_lossless.dcm": "JPEG-LS, lossless",
    "MR_small_RLE.dcm": "RLE",
    "693_J2KI.dcm": "JPEG 2000",
    "JPEGLSNearLossless_16.dcm": "JPEG-LS, nearly lossless",
    "SC_rgb_jpeg_gdcm.dcm": "JPEG, lossless",
    "JPGExtended.dcm": "JPEG, 12 bits",
}


def _signed(folder: Path, name: str, issuer: tuple[x509.Name, rsa.RSAPrivateKey] | None) -> rsa.RSAPrivateKey:
    """Write a certificate for this machine and its key; one without an issuer is an authority."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by, signer = issuer or (subject, key)
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    made = made.not_valid_after(now + timedelta(days=9))
    made = made.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    pem = made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (folder / f"{name}.pem").write_bytes(pem)
    (folder / f"{name}.key").write_bytes(secret)
    return key


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, a certificate of the archive and one of ours, and another authority that signed none."""
    folder = tmp_path_factory.mktemp("authority")
    key = _signed(folder, "ca", None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    for one in ("pacs", "unibase"):
        _signed(folder, one, (name, key))
    _signed(folder, "other", None)
    return folder


def _images(folder: Path) -> list[Path]:
    """Write an image of each way of compressing, and a plain one, all of one study of a person of the ledger."""
    about = {"PatientID": "IPP1", "StudyInstanceUID": "1.2.840.99.1", "AccessionNumber": "A1"}
    paths = [save(ct(**about, SeriesInstanceUID="1.2.840.99.1.1", SOPInstanceUID="1.2.840.99.1.1.1"), folder / "plain.dcm")]
    for number, name in enumerate(COMPRESSED, 2):
        ds = pydicom.dcmread(PYDICOM_FILES / name)
        own = {"SeriesInstanceUID": f"1.2.840.99.1.{number}", "SOPInstanceUID": f"1.2.840.99.1.{number}.1"}
        for keyword, value in {**about, **own}.items():
            setattr(ds, keyword, value)
        paths.append(save(ds, folder / name, ds.file_meta.TransferSyntaxUID))
    return paths


@pytest.fixture(scope="module")
def pacs(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Orthanc]:
    """Orthanc that speaks DICOM over TLS alone (Debian's answers no HTTPS), and asks for certificates of those whom it speaks with by DICOM."""
    if not real.PROGRAM:
        pytest.skip("no Orthanc on this machine (Debian: orthanc, orthanc-dicomweb)")
    folder = tmp_path_factory.mktemp("orthanc")
    ours = real.free_port()
    more = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(authority / "pacs.pem"),
        "DicomTlsPrivateKey": str(authority / "pacs.key"),
        "DicomTlsTrustedCertificates": str(authority / "ca.pem"),
        "DicomModalities": {"us": {"AET": "UNIBASE", "Host": "127.0.0.1", "Port": ours, "UseDicomTls": True}},
    }
    with real.orthanc(folder, ours=ours, more=more) as one:
        for path in _images(folder / "in"):
            one.put(path.read_bytes())
        yield one


OURS = "tls: {{ca: {folder}/ca.pem, certificate: {folder}/unibase.pem, key: {folder}/unibase.key}}"
WAYS = {
    "get": "dimse: {{host: 127.0.0.1, port: {dicom}, called: ORTHANC, encrypted: true}}, " + OURS,
    "move": "dimse: {{host: 127.0.0.1, port: {dicom}, called: ORTHANC, encrypted: true, retrieve: move, "
    "listen_host: 127.0.0.1, listen_port: {ours}}}, " + OURS,
}


WEB = "{{dicomweb: 'https://127.0.0.1:{port}/dicom-web', tls: {{ca: {folder}/{ca}.pem{own}}}, pace: {{tries: 1, timeout: 20}}}}"
OWN = ", certificate: {folder}/unibase.pem, key: {folder}/unibase.key"
# What a front shows, whether it asks for our certificate, whom we trust, whether we show ours, and what is said; None: all comes.
FRONTS = {
    "its authority is ours": ("pacs", "", "ca", "", None),
    "it asks for our certificate": ("pacs", "ca", "ca", OWN, None),
    "another authority": ("other", "", "ca", "", "certificate is not trusted.*tls.ca"),
    "we trust another": ("pacs", "", "other", "", "certificate is not trusted.*tls.ca"),
    "it asks for ours and we have none": ("pacs", "ca", "ca", "", "cannot be reached, or cut the connection"),
}


@pytest.mark.parametrize("kind", FRONTS)
def test_dicomweb_by_https(home: Path, pacs: real.Orthanc, authority: Path, kind: str) -> None:  # noqa: F811
    shows, asks, ca, own, said = FRONTS[kind]
    with tls_front(pacs.http, authority, shows, asks) as port:
        night = Night(home, WEB.format(port=port, folder=authority, ca=ca, own=own.format(folder=authority)))
        if said is not None:
            with pytest.raises(UserError, match=said):
                night.run()
            return
        night.run()
    assert night.refused == []
    folder = night.study.work.vault / f"fetched/{CENTRE}/studies/1.2.840.99.1"
    sent = {pydicom.dcmread(path).SOPInstanceUID: pydicom.dcmread(path) for path in (pacs.folder / "in").iterdir()}
    assert {path.stem for path in folder.glob("*.dcm")} == set(sent)
    for uid, one in sent.items():
        came = pydicom.dcmread(folder / f"{uid}.dcm")
        assert (came.file_meta.TransferSyntaxUID, came.PixelData) == (one.file_meta.TransferSyntaxUID, one.PixelData)


def source(pacs: real.Orthanc, authority: Path, way: str) -> str:
    said = WAYS[way].format(dicom=pacs.dicom, ours=pacs.ours, folder=authority)
    return "{" + said + ", pace: {tries: 1, timeout: 20}}"


@pytest.mark.parametrize("way", WAYS)
def test_over_tls_each_image_comes_as_it_was_compressed(home: Path, pacs: real.Orthanc, authority: Path, way: str) -> None:  # noqa: F811
    night = Night(home, source(pacs, authority, way)).run()
    assert night.refused == []
    folder = night.study.work.vault / f"fetched/{CENTRE}/studies/1.2.840.99.1"
    for path in sorted((pacs.folder / "in").iterdir()):
        sent = pydicom.dcmread(path)
        came = pydicom.dcmread(folder / f"{sent.SOPInstanceUID}.dcm")
        assert came.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID, path.name
        assert came.PixelData == sent.PixelData, path.name


REFUSED = {
    "an authority that did not sign, by DICOM": (
        "get",
        "ca: {folder}/ca.pem",
        "ca: {folder}/other.pem",
        "certificate is not trusted.*tls.ca",
    ),
    "no certificate of ours where the archive wants one": (
        "get",
        ", certificate: {folder}/unibase.pem, key: {folder}/unibase.key",
        "",
        "ends the encrypted connection.*know our certificate",
    ),
    "no certificate of ours": (
        "move",
        "certificate: {folder}/unibase.pem, key: {folder}/unibase.key",
        "",
        "name tls.certificate",
    ),
    "a key that is none": ("get", "key: {folder}/unibase.key", "key: {folder}/ca.pem", "PEM files are asked for"),
    "in clear to a port that is not": ("get", "encrypted: true", "encrypted: false", "does not answer an association"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_wrong_of_certificates_is_told(home: Path, pacs: real.Orthanc, authority: Path, kind: str) -> None:  # noqa: F811
    way, before, after, said = REFUSED[kind]
    written = source(pacs, authority, way)
    before, after = (text.replace("{folder}", str(authority)) for text in (before, after))
    assert before in written
    with pytest.raises(UserError, match=said):
        Night(home, written.replace(before, after)).run()

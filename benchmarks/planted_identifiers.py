"""Identifiers planted in every place of realistic objects, under three policies: what is left in the copies.

    python benchmarks/planted_identifiers.py [--forms N] [--seed N]

Each form of an identifier (a day, a name, a number, an address, an unknown token) is planted in all places of one object at
once, but for those that tell the cleaner what it is (names, numbers, institutions), where it is planted alone: texts of every VR, in sequences, in private blocks, in the content of reports, in names of regions. What is
left is judged by code that shares nothing with the cleaner: letters and digits of every decoded value of the copy.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import sys
import tempfile
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pydicom
from pydicom.datadict import DicomDictionary
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.imaging.deidentify_help import ct, save
from unibase.groundwork.problems import Unusable
from unibase.imaging.confidentiality.deidentified import DeidentifyTask, deidentify_file
from unibase.imaging.options import DeidentifyOptions
from unibase.privacy.keys import Key
from unibase.privacy.subjects import Person, Subject, SubjectLookup

warnings.simplefilter("ignore")
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE

POLICIES = ("research", "longitudinal", "strict")
NUMBER = "P00318842"
_SUBJECT = Subject(9_001_234_567_890, -731)
_NAMES = Person(
    ("QUÉMÉNEUR", "LE GOFF-MARTINEZ", "Dupontel"), ("Anaïs Marie-Solène", "Éléonore"), ("1961-07-09",), ("F",), (NUMBER,)
)
LOOKUP = SubjectLookup({("A", "ipp", NUMBER): _SUBJECT}, persons={_SUBJECT.subject_id: _NAMES})
KEY = Key(bytes(range(32)))

DAYS = (  # 27 February 2021, the exam, and 9 July 1961, the birth
    "27022021", "20210227", "02272021", "270221", "210227", "27/02/2021", "27-02-2021", "27.02.2021", "27_02_2021", "2021-02-27", "2021/02/27",
    "2021.02.27", "27/02/21", "27 02 2021", "27/2/2021", "27 février 2021", "27 FEVRIER 2021", "27 fev. 2021", "27FEV21", "27fev2021", "27Feb2021",
    "Feb 27, 2021", "February 2021", "février 2021", "FEV21", "02/2021", "27/02", "le 27 février", "2021-W08-6", "2021-058", "27.II.2021", "27II21",
    "09071961", "19610709", "090761", "09/07/1961", "9 juillet 1961", "09JUL61", "July 9, 1961", "né le 9/7/61", "née en 1961", "09.07.61",
)  # fmt: skip
NAMES = (
    "LEGOFF", "Le Goff", "LE_GOFF", "MARTINEZ", "MARTINÈS-LE GOFF", "Martinez Le Goff", "MARTINEZLEGOFF", "LEGOFFMARTINEZ", "anaïs", "ANAIS", "Anai\u0308s",
    "Anaïs".encode().decode("latin-1"), "Ana&iuml;s", "Ana&#239;s", "Ana%C3%AFs", "Ana=EFs", "A N A I S", "A.N.A.I.S", "Anais-Marie", "anaismarie",
    "Marie-Solène", "SOLENE", "QUEMENEUR", "Quéméneur", "née Quemeneur", "quemen", "xQUEMENEURx", "Quemeneur2", "MART-INEZ", "MAR TINEZ",
    "M\u200bARTINEZ", "M\u00adARTINEZ", "ＭＡＲＴＩＮＥＺ", "GTVMARTINEZ", "SeinGMartinez", "MmeGoff", "Mme Goff", "DUPONTEL^ELEONORE", "dupontel_eleonore",
)  # fmt: skip
NUMBERS = (
    "P00318842", "318842", "0318842", "P-00318842", "P 00 318 842", "n°318842", "IPP318842", "P00318842_1", "CT_318842_L1", "CT318842B", "2610729019142",
    "2 61 07 29 019 142", "2/61/07/29/019/142", "261072901914244", "2-61-07-29-019-142", "0298223344", "02 98 22 33 44", "02.98.22.33.44", "+33298223344",
    "tel 06.12.34.56.78", "anais.legoff@example.fr", "anais.lg (at) chu.fr", "FR7630006000011234567890189", "AB-123-CD", "192.168.1.12", "12 rue des Lilas",
)  # fmt: skip
OTHERS = (
    "Dr Kervoal", "dr_kervoal", "Dr.Kervoal", "Pr. J. Kervoal", "Mme KERVOAL", "M LE BRIS", "Monsieur Kervoal", "vu avec Corinne", "Kerbrat Yann",
    "ykerbrat", "kervoal@chu.fr", "山田太郎", "ZQ07XSERIES", "XK29ZQ", "Titi", "KVLX", "C:\\Users\\kervoal".replace("\\", "/"), "patient Grand", "Pt: Masse",
    "lu par Rocher", "read by Green", "tech Blanc", "Dr. med. Gross", "Jean Grand",
)  # fmt: skip
TOKENS = tuple(
    f"{a}{b}"
    for a in ("zqvi", "brafk", "UXELN", "Kwoj", "plizt", "GRUVO", "mnaxe")
    for b in ("be", "OR", "7", "ita", "-X2", "ska", "om")
)
FORMS = (*DAYS, *NAMES, *NUMBERS, *OTHERS, *TOKENS)
"""Every form is sought whole, without separators, case and accents; announcers and titles aside."""
_ANNOUNCERS = re.compile(
    r"(?i)^(?:mme|m|mr|monsieur|dr|pr|née en|né le|née|le|patient|pt|lu par|read by|tech|tel|vu avec|n°|med|j|ipp)[ ._:]+"
)
_VRS = ("LO", "SH", "ST", "LT", "UT", "UC", "CS", "AE", "PN", "DA", "DT", "AS", "IS", "DS", "UR")
_TELLS = re.compile(r"ID$|IDs$|Number|Institution|Address|Telephone|Locator|Organization|Station|Residence|Plan$|UID")
_NEVER = {
    "PatientID",
    "SOPInstanceUID",
    "SpecificCharacterSet",
    "SOPClassUID",
    "Modality",
    "BurnedInAnnotation",
    "ImageType",
    "PatientSex",
    "ConversionType",
}


def bare(text: str) -> str:
    """Return letters and digits alone, without case and accents. `text`: any text."""
    plain = unicodedata.normalize("NFKD", text.replace("œ", "oe"))
    return re.sub(r"[\W_]", "", "".join(one for one in plain if not unicodedata.combining(one))).casefold()


def secret(form: str) -> str:
    """Return what may not be left of a form: it, without the word that announces it. `form`: as it is planted."""
    before = ""
    while before != form:
        before, form = form, _ANNOUNCERS.sub("", form)
    return bare(form)


@dataclass(frozen=True)
class Place:
    """Where a form is planted.

    Attributes:
        name: For people.
        plant: Called with the data set and the text.
        tells: Whether the place itself says that its text identifies.
    """

    name: str
    plant: Callable[[Dataset, str], None]
    tells: bool = False


def _set(level: Dataset, tag: int, vr: str, text: str) -> None:
    """Set a value as it is: what is no valid value of its VR stands in real files too."""
    value = text.encode("ascii", "replace") if vr in ("IS", "DS") else text.encode("utf-8")
    value += b" " * (len(value) % 2)
    level[tag] = RawDataElement(Tag(tag), vr, len(value), value, 0, False, True, True)


def tag_of(keyword: str) -> int:
    """Return the tag of an attribute of the standard. `keyword`: its keyword."""
    return pydicom.datadict.tag_for_keyword(keyword) or 0


def _at(keyword: str, vr: str, sequence: str = "") -> Place:
    tag = tag_of(keyword)

    def plant(ds: Dataset, text: str) -> None:
        level = ds
        if sequence:
            if sequence not in ds:
                setattr(ds, sequence, Sequence([Dataset()]))
            level = ds[sequence].value[0]
        _set(level, tag, vr, text)

    return Place(
        f"{sequence}.{keyword}" if sequence else keyword, plant, vr in ("PN", "DA", "DT") or bool(_TELLS.search(keyword))
    )


def _private(ds: Dataset, text: str) -> None:
    ds.add(DataElement(0x00290010, "LO", "SIEMENS CSA HEADER"))
    _set(ds, 0x00291008, "CS", text)
    _set(ds, 0x00291010, "OB", text)
    ds.add(DataElement(0x00090010, "LO", "ANY CREATOR"))
    _set(ds, 0x00091001, "LO", text)
    _set(ds, 0x00091002, "UN", text)


def _overlay(ds: Dataset, text: str) -> None:
    ds.add(DataElement(0x60000022, "LO", text))
    ds.add(DataElement(0x60004000, "LT", text))


def _report(ds: Dataset, text: str) -> None:
    items = []
    for kind, tag in (("TEXT", 0x0040A160), ("CODE", 0), ("NUM", 0)):
        item = Dataset()
        item.RelationshipType, item.ValueType = "CONTAINS", kind
        name = Dataset()
        name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "121071", "DCM", "Finding"
        item.ConceptNameCodeSequence = Sequence([name])
        if tag:
            _set(item, tag, {"TEXT": "UT"}[kind], text)
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "99X1", "99LOCAL", text
        if kind == "CODE":
            item.ConceptCodeSequence = Sequence([code])
        items.append(item)
    ds.ContentSequence = Sequence(items)


def _regions(ds: Dataset, text: str) -> None:
    roi = Dataset()
    roi.ROINumber, roi.ROIName, roi.ROIDescription, roi.ROIGenerationAlgorithm = 1, f"GTV {text}", text, "MANUAL"
    ds.StructureSetROISequence = Sequence([roi])
    observed = Dataset()
    observed.ObservationNumber, observed.ReferencedROINumber, observed.ROIInterpreter = 1, 1, text
    observed.ROIObservationLabel, observed.ROIObservationDescription = text, text
    ds.RTROIObservationsSequence = Sequence([observed])


@cache
def places(seed: int = 14) -> list[Place]:
    """Return a hundred places: fixed ones, and attributes of the standard drawn by chance of every text VR.

    Args:
        seed: Of the draw.
    """
    fixed = ["StudyDescription", "SeriesDescription", "ProtocolName", "ImageComments", "PatientComments", "RequestedProcedureDescription",
             "PerformedProcedureStepDescription", "AdditionalPatientHistory", "DerivationDescription", "AcquisitionProtocolDescription", "StationName",
             "ManufacturerModelName", "SoftwareVersions", "DeviceSerialNumber", "ConvolutionKernel", "ContrastBolusAgent", "BodyPartExamined",
             "ContentDescription", "ContentLabel", "StructureSetLabel", "StructureSetDescription", "BeamName", "SegmentDescription", "TrackingID"]  # fmt: skip
    nested = {"RequestAttributesSequence": ("RequestedProcedureDescription", "ScheduledProcedureStepDescription", "ReasonForTheRequestedProcedure"),
              "ProcedureCodeSequence": ("CodeMeaning", "CodeValue"), "AnatomicRegionSequence": ("CodeMeaning",), "OriginalAttributesSequence": ("ModifyingSystem",),
              "ReferencedStudySequence": ("StudyDescription",), "ContributingEquipmentSequence": ("ContributionDescription", "InstitutionName")}  # fmt: skip
    by_keyword = {entry[4]: str(entry[0]) for entry in DicomDictionary.values() if entry[3] != "Retired" and entry[4]}
    found = [_at(one, by_keyword[one]) for one in fixed]
    found += [_at(one, by_keyword[one], sequence) for sequence, each in nested.items() for one in each]
    rest = sorted(
        one
        for one, vr in by_keyword.items()
        if vr in _VRS and one not in {*fixed, *_NEVER} and not one.startswith(("Pixel", "Rows"))
    )
    shown = [one for one in rest if 0x00080000 <= tag_of(one) < 0x50000000]
    chosen = random.Random(seed).sample(shown, 100 - len(found) - 4)
    found += [_at(one, by_keyword[one]) for one in chosen]
    return [*found, Place("private", _private), Place("overlay", _overlay), Place("report", _report), Place("regions", _regions)]


@cache
def objects(seed: int = 14) -> list[list[Place]]:
    """Return the places by object: what stands for a name, a number or an institution teaches the cleaner, and is planted alone.

    Args:
        seed: Of the draw.
    """
    every = places(seed)
    return [[place for place in every if not place.tells], *([place] for place in every if place.tells)]


def base() -> FileDataset:
    """Return a CT of the invented person whom the ledger knows better than the header does."""
    ds = ct(PatientID=NUMBER, PatientName="ANONYMOUS", PatientBirthDate="19610709", PatientSex="F")
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(ds, keyword, "20210227")
    ds.SpecificCharacterSet = "ISO_IR 192"
    return ds


def values(ds: Dataset) -> Iterator[tuple[str, str]]:
    """Yield where and what of every value of a data set at every depth. `ds`: what was read back."""
    for element in ds.values():
        name = f"{pydicom.datadict.keyword_for_tag(element.tag)} {element.VR}"
        if element.VR == "SQ":
            for item in ds[element.tag].value:
                yield from values(item)
        elif element.tag != 0x7FE00010:
            raw = element.value
            yield name, raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)


def left_in(copy: Path, form: str) -> list[str]:
    """Return where a form is left in a copy. `copy`: the file; `form`: as it was planted."""
    sought = secret(form)
    found = []
    for where, value in values(pydicom.dcmread(copy)):
        numeric = where.endswith((" UI", " US", " DA", " TM", " DT", " IS", " DS"))
        if sought and sought in bare(value) and not (numeric and len(sought) < 8):
            found.append(where)
    return found


def plant_and_clean(form: str, policy: str, where: list[Place], folder: Path) -> tuple[str, list[str]]:
    """Plant a form in places, de-identify, and return `written` or the reason of the refusal, and where it is left.

    Args:
        form: What is planted.
        policy: Name of the policy.
        where: Places of one object.
        folder: An empty folder to work in.
    """
    ds = base()
    for place in where:
        place.plant(ds, form)
    source = save(ds, folder / "in.dcm")
    try:
        result = deidentify_file(DeidentifyTask(source, folder / "out", "A", DeidentifyOptions(policy=policy), KEY, LOOKUP))  # type: ignore[arg-type]
    except Unusable as problem:
        return problem.reason, []
    return "written", left_in(Path(result["path"]), form)


def campaign(forms: tuple[str, ...], seed: int, folder: Path) -> tuple[Counter[str], list[tuple[str, str, str]]]:
    """Plant every form in every place under every policy; return how objects ended, and form, policy and place of what is left.

    An object that is refused is tried again, each place alone.

    Args:
        forms: What is planted.
        seed: Of the draw of places.
        folder: An empty folder to work in.
    """
    ended, left = Counter[str](), []
    for form, policy, together in itertools.product(forms, POLICIES, objects(seed)):
        reason, found = plant_and_clean(form, policy, together, folder)
        ended[reason] += 1
        if reason != "written" and len(together) > 1:
            for place in together:
                alone, more = plant_and_clean(form, policy, [place], folder)
                ended[f"alone {alone}"] += 1
                found += more
        left += [(form, policy, where) for where in found]
    return ended, left


def main() -> None:
    """Run the campaign and print what is left."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--forms", type=int, default=len(FORMS))
    parser.add_argument("--seed", type=int, default=14)
    asked = parser.parse_args()
    forms = tuple(random.Random(asked.seed).sample(FORMS, asked.forms))
    with tempfile.TemporaryDirectory() as folder:
        ended, left = campaign(forms, asked.seed, Path(folder))
    planted = len(forms) * len(places(asked.seed)) * len(POLICIES)
    print(
        f"{len(forms)} forms x {len(places(asked.seed))} places x {len(POLICIES)} policies = {planted} planted; left: {len(left)}"
    )
    for reason, count in sorted(ended.items()):
        print(f"  {reason}: {count}")
    for (form, where), count in sorted(Counter((form, where) for form, _, where in left).items()):
        print(f"  left: {form!r} in {where}: {count}")


if __name__ == "__main__":
    main()

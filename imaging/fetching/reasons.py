"""Why a study, a member of an archive or a file of a medium is not fetched; `imaging.reasons` offers them as the room's own."""

from __future__ import annotations

from unibase.groundwork.reasons import Reason

STILL_ARRIVING = Reason(
    "still-arriving",
    "The archive was still receiving the study a short while ago.",
    "Nothing; it is fetched at the first run after it was quiet for `quiet_minutes`.",
    "A CT whose last series was sent ten minutes before the night's run.",
)
COUNT_DIFFERS = Reason(
    "count-differs",
    "The instances that came are not as many as the archive counts in the study.",
    "Run again; if it persists, have the archive's administrator check the study, for its own figures contradict one another.",
    "An archive that counts 300 instances and lists 299.",
)
NOT_RETRIEVED = Reason(
    "not-retrieved",
    "The archive answers that it cannot give the study, or a part of it, while it gives others.",
    "Look at the study in the archive: it may be offline, or hold an object that the archive cannot send. The next run asks again.",
    "A study on a tape that was taken out.",
)
ANOTHER_STUDY_SENT = Reason(
    "another-study-sent",
    "The archive sent an object that was not asked for.",
    "Report it to the archive's administrator; nothing of it was kept.",
    "An instance whose StudyInstanceUID is that of another study.",
)
UNREADABLE_ARCHIVE = Reason(
    "unreadable-archive",
    "A zip or tar file cannot be read to its end; nothing of it is used.",
    "Copy it again and compare its size at the source.",
    "A zip whose copy broke off, so that its directory at the end is missing.",
)
ARCHIVE_TOO_LARGE = Reason(
    "archive-too-large",
    "An archive unpacks to more than is believable or than the disk has room for; nothing of it is used.",
    "Unpack it by hand into a folder after a look at what it holds, and name the folder.",
    "A zip of 40 kB that unpacks to 5 GB.",
)
UNSAFE_MEMBER = Reason(
    "unsafe-member",
    "A member of an archive, or a key of a store, would be written outside its folder, or is no plain file.",
    "Look where the archive comes from; pack it again with plain relative names, links followed.",
    "A member named `../../etc/cron.d/job`, or a symbolic link.",
)
ENCRYPTED_MEMBER = Reason(
    "encrypted-member",
    "A member of an archive is encrypted.",
    "Unpack it with its password into a folder, and name the folder.",
    "A zip made by 7-Zip with a password.",
)
UNREADABLE_MEMBER = Reason(
    "unreadable-member",
    "A member of an archive does not have the content that its checksum promises, or is packed in a way that is not read.",
    "Copy the archive again, or pack it with deflate.",
    "A zip with one flipped bit.",
)
MEDIUM_LACKS_FILE = Reason(
    "medium-lacks-file",
    "The DICOMDIR of a medium names a file that is not there.",
    "Copy the medium again, whole; the file may be on a second disc.",
    "A CD that was copied without its last folder.",
)
MEDIUM_HIDES_FILE = Reason(
    "medium-hides-file",
    "A DICOM file lies on a medium whose DICOMDIR does not name it; the study file asks for what the DICOMDIR names.",
    "Name the folder of the medium in place of its DICOMDIR, if the file belongs to it.",
    "A series that was copied to a stick after its DICOMDIR was written.",
)
NOT_IN_ARCHIVE = Reason(
    "not-in-archive",
    "An accession number of the list answers no study of a person of the ledger.",
    "Compare the number and its person with the archive; it may have been moved to another archive, or belong to somebody else.",
    "A request that was cancelled, or a number with a digit too few.",
)
NOT_TAKEN = Reason(
    "not-taken",
    "The archive for research did not take the instance.",
    "Look whether it stores that SOP class and transfer syntax, and has room. The next run sends it again.",
    "An RTSTRUCT, to an archive that takes images alone.",
)

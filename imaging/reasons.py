"""Why an image, a series or a region is not used: each code once, with its meaning, its way out and an example."""

from __future__ import annotations

from unibase.groundwork.reasons import Reason
from unibase.imaging.fetching.reasons import (
    ANOTHER_STUDY_SENT,
    ARCHIVE_TOO_LARGE,
    COUNT_DIFFERS,
    ENCRYPTED_MEMBER,
    MEDIUM_LACKS_FILE,
    NOT_IN_ARCHIVE,
    NOT_RETRIEVED,
    NOT_TAKEN,
    STILL_ARRIVING,
    UNREADABLE_ARCHIVE,
    UNREADABLE_MEMBER,
    UNSAFE_MEMBER,
)
from unibase.imaging.measuring_reasons import (
    MODEL_UNFIT,
    NO_DOSE,
    NO_PHASE_TIMES,
    OUTSIDE_DOSE,
    UNSUPPORTED_DOSE,
)
from unibase.imaging.segmenting.reasons import MODEL_FAILED, MODEL_LABELS, MODEL_TOO_SLOW

__all__ = [  # those of other modules are reasons of this room as well
    "ANOTHER_STUDY_SENT",
    "ARCHIVE_TOO_LARGE",
    "COUNT_DIFFERS",
    "ENCRYPTED_MEMBER",
    "MEDIUM_LACKS_FILE",
    "MODEL_FAILED",
    "MODEL_LABELS",
    "MODEL_TOO_SLOW",
    "MODEL_UNFIT",
    "NOT_IN_ARCHIVE",
    "NOT_RETRIEVED",
    "NOT_TAKEN",
    "NO_DOSE",
    "NO_PHASE_TIMES",
    "OUTSIDE_DOSE",
    "STILL_ARRIVING",
    "UNREADABLE_ARCHIVE",
    "UNREADABLE_MEMBER",
    "UNSAFE_MEMBER",
    "UNSUPPORTED_DOSE",
]

NOT_DICOM = Reason(
    "not-dicom",
    "The file is not DICOM.",
    "Leave it out, or export it as a DICOM file (PS3.10).",
    "A PDF with the name of a slice.",
)
UNREADABLE_DICOM = Reason(
    "unreadable-dicom",
    "The DICOM file cannot be parsed.",
    "Copy or export the file again.",
    "A file with the prefix `DICM` and nothing that can be read behind it.",
)
MALFORMED_FILE = Reason(
    "malformed-file",
    "The elements of the DICOM file do not follow the standard.",
    "Export the file again from its source; it is not well formed.",
    "An item that is longer than the sequence that holds it.",
)
UNSUPPORTED_OBJECT = Reason(
    "unsupported-object",
    "Objects of this kind may show or hold identities that no rule can find.",
    "Leave them out, or have a person review them.",
    "An encapsulated PDF.",
)
BURNED_IN_ANNOTATION = Reason(
    "burned-in-annotation",
    "The pixels may show who the person is.",
    "Clean the pixels and review them, or leave the image out.",
    "A secondary capture that does not say BurnedInAnnotation NO.",
)
RESIDUAL_IDENTIFIER = Reason(
    "residual-identifier",
    "After cleaning, something known of the source is still in the file, which was not released.",
    "The custodian can look at it in the source and report the attribute.",
    "A patient's number inside a private element.",
)
OBJECTS = Reason(
    "objects",
    "The person objects to the use of their records.",
    "Nothing; the file is left out.",
    "A person with an objection in the ledger.",
)
NO_IMAGE_SERIES = Reason(
    "no-image-series",
    "There is no image series.",
    "Check that the series was exported.",
    "A folder of structure sets alone.",
)
SEVERAL_SERIES = Reason(
    "several-series",
    "One image series was asked for, and there are several.",
    "Name one, or give each a folder.",
    "CT and PET in one folder.",
)
SEVERAL_VOLUMES = Reason(
    "several-volumes",
    "One volume was asked for, and the series holds several.",
    "Say which of them is meant.",
    "Three phases of a liver CT in one series.",
)
NO_VOLUME_MATCHED = Reason(
    "no-volume-matched",
    "No volume of the series has a name that the study asks for.",
    "Compare their names (unibase index) with features.volumes.",
    "`features.volumes: ['b=800']` and a series without that b-value.",
)
DRAWN_ELSEWHERE = Reason(
    "drawn-elsewhere",
    "The regions are drawn on other images of the series.",
    "Say in features.volumes on which volumes they are to be measured.",
    "A tumour drawn on the ADC map beside the diffusion images.",
)
INCONSISTENT_SERIES = Reason(
    "inconsistent-series",
    "Single slices differ from the others in what makes a volume.",
    "Split the series into volumes, or export it again.",
    "One slice of another pixel spacing.",
)
DUPLICATE_SLICE = Reason(
    "duplicate-slice",
    "Two slices lie at one place, or two files have one UID, and nothing in the header tells them apart.",
    "Split the series into volumes, or remove the copy.",
    "A series that was sent twice with new UIDs.",
)
MISSING_SLICE = Reason(
    "missing-slice",
    "Slices are missing, or their distances are uneven.",
    "Export the series again, complete, or ask to fill single slices (features.missing_slices: fill).",
    "Slices at 0, 3 and 9 mm.",
)
GANTRY_TILT = Reason(
    "gantry-tilt",
    "The slices are shifted against one another: the gantry was tilted.",
    "Ask for it to be resampled (features.tilt: resample), or resample it to a right-angled grid.",
    "A CT of the head with a tilt of 15 degrees.",
)
MOSAIC = Reason(
    "mosaic",
    "A Siemens mosaic does not say how its slices lie.",
    "Export it with Siemens' private header, or as one file a slice.",
    "A mosaic from which all private attributes were removed.",
)
SUV_NOT_COMPUTABLE = Reason(
    "suv-not-computable",
    "The header leaves SUV open, contradicts itself, or says what nobody would believe.",
    "Export the series as SUV by body weight, complete its header, or give weight, dose and time in a table (features.pet_table).",
    "A PET without PatientWeight.",
)
UNSUPPORTED_IMAGE = Reason(
    "unsupported-image",
    "The image has no place in the patient, or is no plane of grey values.",
    "Use a volume series of grey values.",
    "A picture in colour.",
)
UNREADABLE_PIXELS = Reason(
    "unreadable-pixels",
    "The pixel data cannot be decoded.",
    "Export the series again, without compression.",
    "A transfer syntax without a decoder.",
)
UNREADABLE_IMAGE = Reason(
    "unreadable-image",
    "The image file is absent or cannot be read.",
    "Check the path, or write it again as NIfTI or NRRD.",
    "A NIfTI file of an unknown voxel type.",
)
UNREADABLE_ROW = Reason(
    "unreadable-row",
    "A row of the list names no image and mask that can be used.",
    "Correct the row.",
    "A row without a mask.",
)
NO_MASK = Reason(
    "no-mask",
    "No structure set, segmentation or mask belongs to the series.",
    "Segment it, or leave the series out.",
    "A CT that nobody contoured.",
)
MASK_WITHOUT_IMAGE = Reason(
    "mask-without-image",
    "A mask goes with no image.",
    "Name both alike, such as a_image.nrrd and a_mask.nrrd, or list them: columns Image, Mask.",
    "A mask whose image was not copied.",
)
NOT_A_MASK = Reason(
    "not-a-mask",
    "The DICOM file is neither RTSTRUCT nor SEG.",
    "Name the file that holds the regions.",
    "A dose in place of the structure set.",
)
UNREADABLE_MASK = Reason(
    "unreadable-mask",
    "The mask is absent, cannot be read, or holds values that are no labels.",
    "Write it again, with labels as whole numbers.",
    "A probability map given as a mask.",
)
LABEL_ABSENT = Reason(
    "label-absent",
    "The mask has no voxel of the label, or no layer of the number, that is asked for.",
    "Name one that the mask has, or leave it out to take all.",
    "`label: 2` and a mask of ones.",
)
MASK_GEOMETRY = Reason(
    "mask-geometry",
    "The mask lies on another grid than the image.",
    "Draw the mask on this image, or ask for resampling (correctMask: true).",
    "A mask of the PET for the CT.",
)
FRAME_OF_REFERENCE = Reason(
    "frame-of-reference",
    "The region is drawn in another frame of reference than the image's.",
    "Give the structure set or segmentation of this image, or register the two.",
    "Contours of another examination.",
)
NO_REGION_MATCHED = Reason(
    "no-region-matched",
    "No region of the series has a name that the patterns ask for.",
    "Compare its names (unibase regions STUDY) with the patterns of the study file.",
    "`gtv.*` and a region named Tumour.",
)
AMBIGUOUS_REGION = Reason(
    "ambiguous-region",
    "Several regions match one target.",
    "Narrow the patterns, or ask for each of them, for their union or for the newest approved structure set.",
    "GTV_1 and GTV_2 for the target GTV.",
)
SUPERSEDED = Reason(
    "superseded",
    "A structure set that was approved later has the same target.",
    "Nothing; the newest approved one is measured.",
    "The contours of the first plan.",
)
NOT_APPROVED = Reason(
    "not-approved",
    "No approved structure set has the target.",
    "Approve one, or ask for all structure sets.",
    "A draft by a resident.",
)
BROKEN_CONTOUR = Reason(
    "broken-contour",
    "Contour Data is not made of points.",
    "Export the structure set again.",
    "Four numbers where a point has three.",
)
NO_CLOSED_CONTOUR = Reason(
    "no-closed-contour",
    "The region has only points or open lines.",
    "Draw closed contours, or leave the region out.",
    "A marker point.",
)
CONTOUR_NOT_IN_SLICE_PLANE = Reason(
    "contour-not-in-slice-plane",
    "A contour does not lie in the plane of a slice.",
    "Draw the region on this series, or export it resampled to it.",
    "A sagittal contour on axial slices.",
)
GAP_BETWEEN_CONTOURS = Reason(
    "gap-between-contours",
    "Slices between the contours of the region carry none.",
    "Contour every slice, or ask to fill gaps or to keep them.",
    "Every second slice contoured, and `gaps: refuse`.",
)
CUT_OFF_BY_IMAGE = Reason(
    "cut-off-by-image",
    "The image does not hold the whole region.",
    "Export the whole image, or ask to keep regions that are cut off.",
    "A tumour below the last slice, and `cut_off: refuse`.",
)
REGION_OUTSIDE_IMAGE = Reason(
    "region-outside-image",
    "The region reaches beyond the image, or lies outside it.",
    "Give the image it was drawn on, or crop the region to the image.",
    "Contours of the chest on a CT of the pelvis.",
)
EMPTY_REGION = Reason(
    "empty-region",
    "The region has no voxel.",
    "Check the region's name, its size and the mask.",
    "A contour of 0.5 mm between two voxel centres.",
)
REGION_TOO_SMALL = Reason(
    "region-too-small",
    "The region has too few voxels or dimensions for the settings.",
    "Draw a larger region, or lower minimumROIDimensions or minimumROISize.",
    "A region of one voxel.",
)
TOO_FEW_INTENSITIES = Reason(
    "too-few-intensities",
    "The region has fewer different intensities than habitats are asked for.",
    "Ask for fewer habitats, or leave the region out.",
    "A region of water in a phantom.",
)
WRONG_DIMENSIONS = Reason(
    "wrong-dimensions",
    "The settings are for another number of dimensions than the image has.",
    "Give three spacings (x, y, z in mm; 0 keeps one).",
    "resampledPixelSpacing of two numbers for a volume.",
)
NO_FEATURE_LEFT = Reason(
    "no-feature-left",
    "The image is a plane, and only features of a volume are asked for.",
    "Ask for shape2D or for other classes.",
    "A mammogram and the class shape.",
)
REGION_NOT_PLANAR = Reason(
    "region-not-planar",
    "shape2D needs a region in one slice.",
    "Leave shape2D out, or choose one slice.",
    "A region of three slices.",
)
REGION_LOST = Reason(
    "region-lost",
    "No voxel of the new grid lies in the region.",
    "Choose a finer spacing or a lower mask threshold.",
    "A lesion of 2 mm resampled to 5 mm.",
)
REGION_REFUSED = Reason(
    "region-refused",
    "PyRadiomics refuses the region under these settings.",
    "Check the settings.",
    "A check of PyRadiomics that has no reason of its own here.",
)
EMPTY_AFTER_RESEGMENTATION = Reason(
    "empty-after-resegmentation",
    "Re-segmentation leaves no voxel of the region, or one.",
    "Widen resegmentRange, and check the unit of the image.",
    "A range of -500 to 400 for stored values.",
)
NOT_FINITE_IN_REGION = Reason(
    "not-finite-in-region",
    "The image holds values that are no number inside the region.",
    "Cut them out of the region, or repair the image.",
    "A parametric map with NaN where the fit failed.",
)
NOT_FINITE_IN_IMAGE = Reason(
    "not-finite-in-image",
    "Values that are no number lie where a filter or resampling would spread them into the region.",
    "Replace them, or use the original image type without resampling.",
    "NaN outside the body, and a wavelet.",
)
TOO_MANY_GREY_LEVELS = Reason(
    "too-many-grey-levels",
    "The bins give more grey levels than a matrix can have.",
    "Choose a larger binWidth, or binCount; PET is best measured in SUV.",
    "binWidth 25 for a PET in Bq/ml.",
)
RANGE_TOO_NARROW_FOR_BINS = Reason(
    "range-too-narrow-for-bins",
    "The intensities differ by rounding errors only, and binCount cannot divide their range.",
    "Use binWidth, or leave that image type out.",
    "A wavelet of a constant region.",
)
ENGINE_FAILED = Reason(
    "engine-failed",
    "The engine fails on the region.",
    "Try the other engine, and report it with the settings.",
    "An error inside PyRadiomics.",
)
MAY_SHOW_A_FACE = Reason(
    "may-show-a-face",
    "The image may show a face: it is of the head, or nothing in its header rules that out.",
    "Say in release.head_images why such images may leave, remove the faces before and write RecognizableVisualFeatures NO, or leave the images out.",
    "A PET/CT from head to thigh, or a CT without BodyPartExamined.",
)
REFUSED_BY_REVIEWER = Reason(
    "refused-by-reviewer",
    "A reviewer refused the mask.",
    "Draw it anew; a new mask has no verdict.",
    "A contour that runs through air.",
)
WRONG_SIDE = Reason(
    "wrong-side",
    "A reviewer says that the mask lies on the wrong side of the body.",
    "Draw it anew on the right side, or correct its name.",
    "A left kidney that is named right.",
)
VERDICT_WITHOUT_REGION = Reason(
    "verdict-without-region",
    "A verdict names a region that is not there.",
    "Look at the new mask and decide again, or take the verdict out.",
    "A verdict on a mask that was drawn anew.",
)

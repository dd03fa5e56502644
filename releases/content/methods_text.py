"""The methods paragraph of a release, from what really ran."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import polars as pl

from unibase.releases.content.assay_methods import assay_sources

CITATIONS: Mapping[str, str] = {
    "pyradiomics": "van Griethuysen et al., Cancer Res 2017;77:e104",
    "ibsi": "Zwanenburg et al., Radiology 2020;295:328",
    "tmm": "Robinson and Oshlack, Genome Biol 2010;11:R25",
    "tmmwsp": "Robinson and Oshlack, Genome Biol 2010;11:R25",
    "rle": "Anders and Huber, Genome Biol 2010;11:R106",
    "median-of-ratios": "Anders and Huber, Genome Biol 2010;11:R106",
    "vst": "Love et al., Genome Biol 2014;15:550",
    "voom": "Law et al., Genome Biol 2014;15:R29",
    "upperquartile": "Bullard et al., BMC Bioinformatics 2010;11:94",
    "quantile": "Bolstad et al., Bioinformatics 2003;19:185",
    "combat": "Johnson et al., Biostatistics 2007;8:118",
    "mudata": "Bredikhin et al., Genome Biol 2022;23:42",
    "left-truncation": "Tsai, Jewell and Wang, Biometrika 1987;74:883",
    "RECIST 1.1": "Eisenhauer et al., Eur J Cancer 2009;45:228",
    "iRECIST": "Seymour et al., Lancet Oncol 2017;18:e143",
    "RANO": "Wen et al., J Clin Oncol 2010;28:1963",
    "Lugano 2014": "Cheson et al., J Clin Oncol 2014;32:3059",
    "ssgsea": "Barbie et al., Nature 2009;462:108",
    "ulm": "Badia-i-Mompel et al., Bioinform Adv 2022;2:vbac016",
    "kaplan-meier": "Kaplan and Meier, J Am Stat Assoc 1958;53:457",
    "turnbull": "Turnbull, J R Stat Soc B 1976;38:290",
}


def _model_sentences(model: Mapping[str, Any]) -> list[str]:
    """Say what the values of an assay were learned on, and whether earlier releases rest on another model."""
    if not model:
        return []
    many = f"at least {model['samples']}" if model["samples"] else "a few"
    text = f"Its model {str(model['digest'])[:12]} was learned on {many} samples"
    fits = len(model.get("history", []))
    again = f" It is fit number {fits}; values of releases made with an earlier model differ." if fits > 1 else ""
    return [f"{text} and applied unchanged to those and to all later samples.{again}"]


def methods_paragraph(about: Mapping[str, Any], tables: Mapping[str, pl.LazyFrame]) -> str:
    """Return a methods paragraph in English, with versions and citations, of what this release really holds.

    Args:
        about: The manifest, without its files.
        tables: The released tables.
    """
    software = {str(k).lower(): str(v) for k, v in dict(about.get("software", {})).items()}
    settings = dict(about.get("settings", {}))
    version = f" {software['mudata']}" if "mudata" in software else ""
    return " ".join(
        [
            f"Data are version {about['version']} of {about['title']} ({about['study']}).",
            *([f"They were prepared with unibase {software['unibase']}."] if "unibase" in software else []),
            "Identifiers were replaced by keyed pseudonyms and dates shifted by one number of days per subject.",
            *_own_rules(settings.get("deidentification")),
            *_kept_out(settings.get("kept_out_by")),
            *_radiomics(tables.get("features")),
            *_machine_masks(settings.get("segmenters")),
            *_assays(dict(about.get("modalities", {})), settings),
            *assay_sources(settings, [name for name in about.get("modalities", {}) if name not in ("radiomics", "clinical")]),
            *(_harmonised(group, record) for group, record in dict(about.get("harmonisation", {})).items()),
            *_index(settings.get("index")),
            *_endpoints(tables.get("adtte")),
            *_responses(tables.get("adrs")),
            f"The data are stored as MuData{version} ({CITATIONS['mudata']}), Parquet and a MEDS 0.4.1 timeline.",
        ]
    )


def _radiomics(features: pl.LazyFrame | None) -> list[str]:
    engines = ", ".join(_distinct(features, "engine"))
    if not engines:
        return []
    modalities = ", ".join(_distinct(features, "Modality")) or "images"
    cited = CITATIONS["pyradiomics" if "pyradiomics" in engines.lower() else "ibsi"]
    return [f"Radiomic features of {modalities} were extracted with {engines} ({cited})."]


def _machine_masks(segmenters: object) -> list[str]:
    """Say which models made masks, and that no person drew these."""
    if not isinstance(segmenters, Mapping) or not segmenters:
        return []
    named = [
        f"{name} {one['version']}" + (f" (SHA-256 of its weights {one['weights'][:12]})" if one["weights"] else "")
        for name, one in sorted(segmenters.items())
    ]
    return [
        f"Regions named {', '.join(f'{name}:*' for name in sorted(segmenters))} were made by models, not people: {'; '.join(named)}."
    ]


def _set_scores(options: Mapping[str, Any]) -> list[str]:
    """Say which scores of sets of genes an assay's samples have, and to which centroids they are compared."""
    if options.get("centroids"):
        text = "was compared with each by Spearman's correlation, its genes less the centres of that file"
        return [
            *_set_scores({**options, "centroids": None}),
            f"With centroids of {PurePath(options['centroids']).name} a sample {text}.",
        ]
    if not options.get("gene_sets"):
        return []
    named = " and ".join(f"{score} ({CITATIONS[score]})" for score in options["scores"])
    return [f"Gene sets of {PurePath(options['gene_sets']).name} were scored by {named}, each sample from its own values alone."]


def _signatures(options: Mapping[str, Any]) -> list[str]:
    """Say which mutational signatures were refitted."""
    if not options.get("signatures"):
        return []
    named, least = PurePath(options["signatures"]).name, options.get("least_substitutions", "")
    return [
        f"Mutational signatures of {named} were refitted by least squares without negative contributions (Blokzijl et al., Genome Med "
        f"2018;10:33) in each sample of at least {least} single-base substitutions, from the sample alone."
    ]


def _assays(modalities: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """Return how each assay was normalised, where the settings say a method."""
    sentences = []
    for assay, shape in modalities.items():
        if assay in ("radiomics", "clinical"):
            continue
        sentences += _signatures(dict(dict(settings.get("assays", {})).get(assay) or {}))
        method = dict(dict(settings.get("assays", {})).get(assay) or {}).get("method")
        if method:
            cited = f" ({CITATIONS[method]})" if method in CITATIONS else ""
            sentences.append(f"The assay {assay} ({shape['variables']} variables) was normalised by {method}{cited}.")
            sentences += _model_sentences(dict(dict(settings.get("models", {})).get(assay) or {}))
            sentences += _set_scores(dict(dict(settings.get("assays", {})).get(assay) or {}))
    return sentences


def _index(index: object) -> list[str]:
    if not isinstance(index, Mapping) or not index.get("concept"):
        return []
    which = f"{index.get('which', 'first')} {index['concept']}"
    return [f"The index date is the {which}; no value known only after it is used as a predictor."]


def _endpoints(adtte: pl.LazyFrame | None) -> list[str]:
    codes = ", ".join(_distinct(adtte, "PARAMCD"))
    if not codes:
        return []
    cited = CITATIONS["kaplan-meier"]
    sentences = [f"Survival ({codes}) was estimated by Kaplan-Meier ({cited}), with log-log confidence limits."]
    if parts := _known_in_part(adtte):
        cited = CITATIONS["turnbull"]
        sentences.append(
            f"Events of {', '.join(parts)} that are known in part count as intervals in the page's curves ({cited})."
        )
    if _distinct(adtte, "ENTRY"):
        cited = CITATIONS["left-truncation"]
        sentences.append(f"Subjects count from the image or sample that the cohort asks for (left truncation; {cited}).")
    return sentences


def _known_in_part(adtte: pl.LazyFrame | None) -> list[str]:
    """Return the endpoints with an event of which only an interval is known."""
    if adtte is None or not {"AVAL", "AVAL_MIN", "CNSR"} <= set(adtte.collect_schema().names()):
        return []
    part = pl.col("AVAL").is_null() & pl.col("AVAL_MIN").is_not_null() & (pl.col("CNSR") == 0)
    return _distinct(adtte.filter(part), "PARAMCD")


def _own_rules(settings: object) -> list[str]:
    """Say which rules of the study's own changed what is done to DICOM, each with its reason."""
    if not isinstance(settings, Mapping):
        return []
    said = []
    for rule in settings.get("rules") or ():
        of = rule.get("attribute") or "images with " + ", ".join(
            f"{key} {value}" for key, value in (rule.get("images") or {}).items()
        )
        said.append(f"{rule['action']} {of} ({rule['reason']})")
    sentences = [f"Beside the policy, these rules of the study changed what is done to DICOM: {'; '.join(said)}."] if said else []
    if settings.get("pixels"):
        sentences.append("Images that may show texts in their pixels were looked at by a person, and released as they decided.")
    return sentences


def _kept_out(checks: object) -> list[str]:
    """Say which checks of quality keep what they flag out of the tables; `checks` are their names."""
    if not isinstance(checks, list) or not checks:
        return []
    names = ", ".join(str(name).split("/")[-1].replace("-", " ") for name in checks)
    return [f"Values and events that a check of quality flags ({names}) stay in the timeline and enter no table."]


def _responses(adrs: pl.LazyFrame | None) -> list[str]:
    """Return the sentence on tumour responses: which, and by what criteria."""
    named = _distinct(adrs, "PARAM")
    if not named:
        return []
    cited = [
        f"{name} ({CITATIONS[name]})"
        for name in ("RECIST 1.1", "iRECIST", "RANO", "Lugano 2014")
        if any(name in text for text in named)
    ]
    by = f" by {' and '.join(cited)} from lesion measurements" if cited else " as reported by the centres"
    return [f"Tumour response ({', '.join(_distinct(adrs, 'PARAMCD'))}) was derived{by}."]


def _distinct(rows: pl.LazyFrame | None, column: str) -> list[str]:
    if rows is None or column not in rows.collect_schema().names():
        return []
    return rows.select(pl.col(column).drop_nulls().unique().sort()).collect()[column].to_list()


def _harmonised(group: str, record: Mapping[str, Any]) -> str:
    """Return the sentence on one harmonisation, from what was done."""
    options = [f"between {len(record['batches'])} {record['batch']}s"]
    options += [f"with {record['reference']} as reference"] if record["reference"] else []
    options += [f"keeping effects of {', '.join(record['covariates'])}"] if record["covariates"] else []
    options += ["shift only"] if record["mean_only"] else []
    options += [] if record["empirical_bayes"] else ["without empirical Bayes"]
    if not record["fitted_here"]:
        fitted = "with the parameters of an earlier fit"
    elif record["fit_on"] == "all":
        fitted = "fitted on the whole cohort, test subjects included"
    else:
        fitted = f"fitted on the subjects of the part {record['fit_on']} only"
    return (
        f"Values of {group} ({record['features']} variables) were harmonised by ComBat {', '.join(options)} ({CITATIONS['combat']}), "
        f"{fitted}, and stand beside the raw ones."
    )

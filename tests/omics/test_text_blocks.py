"""What is read by blocks of lines is what is read whole, however the blocks fall."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from unibase.groundwork.problems import Unusable
from unibase.omics.assays.mutations import combine_tables, gene_table
from unibase.omics.assays.registry import AssayFiles, read
from unibase.omics.readers import maf_blocks, text_blocks
from unibase.omics.readers.maf import read_maf

HEAD = "Hugo_Symbol\tEntrez_Gene_Id\tNCBI_Build\tChromosome\tStart_Position\tVariant_Classification\tReference_Allele\tTumor_Seq_Allele2\tTumor_Sample_Barcode\tMutation_Status\tFILTER"
GENES = ("TP53", "KRAS", "MLL2", "", "1-Mar", "TTN")
CLASSES = ("Missense_Mutation", "Silent", "Nonsense_Mutation", "frameshift_variant")


def maf(rows: int) -> str:
    """Return a MAF in which variants come again far from where they came first, once with a worse class."""
    lines = []
    for i in range(rows):
        k = i % 97
        cells = (GENES[k % 6], "7157", "GRCh38", f"chr{k % 3 + 1}", str(1000 + k), CLASSES[(i // 97 + k) % 4], "C", "CA" if k % 5 == 0 else "T",
                 f"CHU-été-{k % 7}", "Germline" if k % 11 == 0 else "", "lowqual" if k % 13 == 0 else "PASS")  # fmt: skip
        lines.append("\t".join(cells))
    return "\n".join([HEAD, *lines]) + "\n"


FORMS: dict[str, Callable[[str], bytes]] = {
    "UTF-8": str.encode,
    "byte-order mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "Windows-1252": lambda text: text.encode("cp1252"),
    "gzip": lambda text: gzip.compress(text.encode(), mtime=0),
    "carriage returns": lambda text: text.replace("\n", "\r\n").encode(),
    "blank lines": lambda text: text.replace("\n", "\n\n").encode(),
    "semicolons": lambda text: text.replace("\t", ";").encode(),
    "quotes": lambda text: "\n".join("\t".join(f'"{c}"' for c in line.split("\t")) for line in text.splitlines()).encode(),
    "no last line feed": lambda text: text.rstrip("\n").encode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [53, 4096])
def test_a_maf_is_the_same_however_it_is_cut_and_written(
    form: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, path = tmp_path / "plain.maf", tmp_path / "x.maf"
    plain.write_text(maf(300), encoding="utf-8")
    path.write_bytes(FORMS[form](maf(300)))
    whole = read_maf(plain)
    monkeypatch.setattr(maf_blocks, "text_blocks", partial(text_blocks.text_blocks, size=size))
    cut = read_maf(path)
    assert cut.variants.rows() == whole.variants.rows()
    assert (cut.profiled, cut.notes, cut.renamed) == (whole.profiled, whole.notes, whole.renamed)
    assert whole.variants.height == len(set(whole.variants.select("gene", "chromosome", "start", "allele", "sample").rows()))


FAULTS = {
    "a word": ("PASS\n", "PASS\n", "Silent", "Silnet", "Row 2 of the MAF has a word in Variant_Classification"),
    "a status": ("\t\tPASS", "\tSomatik\tPASS", "", "", "Row 2 of the MAF has a word in Mutation_Status"),
    "a cut row": ("", "", "\tGermline\tPASS", "", "has fewer cells than the header"),
    "another genome": ("", "", "TTN\t7157\tGRCh38", "TTN\t7157\tGRCh37", "positions of several genomes"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_maf_with_a_fault_is_refused_alike_however_it_is_cut(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, with_first, second, with_second, said = FAULTS[fault]
    path = tmp_path / "x.maf"
    text = maf(300).replace(first, with_first) if first else maf(300)
    path.write_text(text.replace(second, with_second) if second else text, encoding="utf-8")
    with pytest.raises(Unusable) as whole:
        read_maf(path)
    monkeypatch.setattr(maf_blocks, "text_blocks", partial(text_blocks.text_blocks, size=64))
    with pytest.raises(Unusable) as cut:
        read_maf(path)
    assert said in str(whole.value) and str(cut.value) == str(whole.value)


def test_a_table_of_mutations_is_held_sparse_and_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "x.maf"
    path.write_text(maf(300), encoding="utf-8")
    panel = tmp_path / "panel.txt"
    panel.write_text("TP53\nKRAS\n")
    dense = gene_table(read_maf(path))
    held = read("mutations", AssayFiles(path)).adata
    assert sparse.issparse(held.X)
    np.testing.assert_array_equal(held.X.toarray(), dense.X)
    narrow = read("mutations", AssayFiles.of(path, panel=str(panel))).adata
    narrow.obs_names = [f"L{name}" for name in narrow.obs_names]
    both = combine_tables([held, narrow])
    of_narrow = both[narrow.obs_names].to_df()
    assert of_narrow[["TP53", "KRAS"]].notna().all(axis=None) and of_narrow.drop(columns=["TP53", "KRAS"]).isna().all(axis=None)
    np.testing.assert_array_equal(both[held.obs_names, held.var_names].X, dense.X)

"""Documents inside DICOM objects with secrets in every place that their formats have, for `planted_objects`."""

from __future__ import annotations

import struct
from collections.abc import Callable

from benchmarks.planted_objects import Planted, planted, without_pixels

CDA = """<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet type="text/xsl" href="file:///home/[[kerbrat]]/cda.xsl"?>
<!-- exporté par [[ykerbrat]] le [[27/02/2021]] -->
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:sdtc="urn:hl7-org:sdtc">
 <realmCode code="FR"/><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
 <templateId root="1.2.250.1.213.1.1.1.1" extension="2021-02-27"/><id root="1.2.250.1.213.[[20210227]]" extension="[[CR7731-0044]]"/>
 <code code="18748-4" codeSystem="2.16.840.1.113883.6.1" displayName="Compte rendu de [[Mme Quéméneur]]"/>
 <title>CR scanner de [[Anaïs]] du [[27 février 2021]]</title><effectiveTime value="[[20210227]]101500+0100"/>
 <confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/><languageCode code="fr-FR"/><setId extension="[[SET991]]"/>
 <recordTarget><patientRole><id extension="[[261072901914244]]" root="1.2.250.1.213.1.4.8"/><addr><streetAddressLine>[[14 venelle des Ajoncs]]</streetAddressLine>
  <city>[[Landivisiau]]</city></addr><telecom value="tel:[[0298401277]]"/><patient><name><family>[[Quéméneur]]</family><given>[[Anaïs]]</given></name>
  <administrativeGenderCode code="F"/><birthTime value="[[19610709]]"/><birthplace><place><name>[[Morlaix]]</name></place></birthplace>
  <guardian><telecom value="tel:[[4127]]"/><guardianPerson><name><given>[[Yannick]]</given></name></guardianPerson></guardian></patient></patientRole></recordTarget>
 <author><time value="[[20210227]]"/><assignedAuthor><id extension="[[10003456789]]"/><assignedPerson><name><prefix>Dr</prefix><family>[[Kervoal]]</family>
  <given>[[Ronan]]</given></name></assignedPerson><representedOrganization><name>[[CHU de Kermarec]]</name></representedOrganization></assignedAuthor></author>
 <custodian><assignedCustodian><representedCustodianOrganization><id extension="[[290000017]]"/><name>[[CHU de Kermarec]]</name></representedCustodianOrganization>
 </assignedCustodian></custodian><legalAuthenticator><assignedEntity><assignedPerson><name>[[Solenn Madec]]</name></assignedPerson></assignedEntity></legalAuthenticator>
 <component><structuredBody><component><section><templateId root="1.3.6.1.4.1.19376.1.4.1.2.8"/><id extension="[[SEC5512]]"/>
  <code code="59776-5" codeSystem="2.16.840.1.113883.6.1" displayName="Findings"/><title>Résultats, [[Kerbrat]]</title>
  <text>Vu avec <content ID="[[q1]]">[[Kervoal]]</content> le <b>[[27/02/2021]]</b>.<paragraph>Nodule de 12 mm du lobe <i>supérieur</i> droit.</paragraph>
   <table><tbody><tr><td>[[Que]]<b>[[meneur]]</b></td><td>foie normal</td><td>tel [[06.81.22.90.17]]</td></tr></tbody></table>
   <list><item>Fille : [[Nolwenn]], foie [[4127]]</item><item styleCode="[[KERB9]]">Poumon D</item></list>
   <renderMultiMedia referencedObject="[[MM31]]"/><linkHtml href="http://pacs/[[P00318842]]">lien</linkHtml></text>
  <entry typeCode="DRIV"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.6.2.12"/><id extension="[[OB7731]]"/>
   <code code="246120007" codeSystem="2.16.840.1.113883.6.96" displayName="Nodule size, [[Kerbrat]]"><originalText>[[Solenn]]</originalText></code>
   <statusCode code="completed"/><effectiveTime value="[[20210227]]"/><value xsi:type="PQ" value="12.5" unit="mm"/>
   <interpretationCode code="[[ZQ07XSERIES]]" codeSystem="9.9.9" displayName="[[Titine]]"/><methodCode code="[[kerbrat2]]"/>
   <text>suivi [[Titine]] <reference value="#[[q1]]"/></text>
   <subject><relatedSubject classCode="PRS"><code code="MTH" codeSystem="2.16.840.1.113883.5.111"/><telecom value="tel:[[0681229017]]"/>
    <subject><name>[[Abgrall]]</name><birthTime value="[[19330412]]"/></subject></relatedSubject></subject>
   <performer><assignedEntity><assignedPerson><name>[[Corre]]</name></assignedPerson></assignedEntity></performer>
   <entryRelationship typeCode="COMP"><observation classCode="OBS" moodCode="EVN"><code code="121071" codeSystem="1.2.840.10008.2.16.4"/>
    <value xsi:type="ST">stable, dit [[Nolwenn]]</value></observation></entryRelationship>
   <entryRelationship typeCode="[[KERB]]"><observation classCode="[[QUEM]]" moodCode="EVN"><code code="121071" codeSystem="1.2.840.10008.2.16.4"/>
    <value xsi:type="PQ" value="[[0298401277]]" unit="mm"/></observation></entryRelationship>
   <entryRelationship typeCode="COMP"><observation classCode="OBS" moodCode="EVN"><value xsi:type="PQ" value="4" unit="[[kerbrats]]"/></observation></entryRelationship>
   <entryRelationship typeCode="COMP"><observation classCode="OBS" moodCode="EVN"><value xsi:type="CD[[KERB]]" code="[[Solenn]]"/></observation></entryRelationship>
   <entryRelationship typeCode="COMP"><observation classCode="OBS" moodCode="EVN"><value xsi:type="PQ" value="5" unit="{[[quemeneur]]}"/></observation></entryRelationship>
   <sdtc:raceCode displayName="[[bretonne]]"/></observation></entry>
  <entry><observationMedia classCode="OBS" moodCode="EVN"><value mediaType="image/png" representation="B64">[[S2VyYnJhdA]]</value></observationMedia></entry>
 </section></component></structuredBody></component></ClinicalDocument>
"""


def _document(kind: str, made: Planted, content: bytes, mime: str) -> Planted:
    made.set(
        DocumentTitle="CR de [[Mme Quéméneur]] du [[27/02/2021]]",
        ContentDescription="[[Kerbrat]]",
        SeriesDescription=f"{kind} [[Solenn]]",
    )
    made.ds.BurnedInAnnotation = "YES"
    made.ds.MIMETypeOfEncapsulatedDocument = mime
    made.ds.EncapsulatedDocumentLength = len(content)
    made.ds.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    return made


def clinical_document() -> Planted:
    """Return an encapsulated CDA with persons in every place that its schema has."""
    made = without_pixels(planted("104.2", "DOC"))
    return _document("CDA", made, made.say(CDA).encode(), "text/XML")


def solid(text: bool = False) -> Planted:
    """Return an encapsulated STL: names in its header or name, in the attributes of triangles and after the last one. `text`: an STL of text."""
    made = without_pixels(planted("104.3", "M3D"))
    said = made.say("foie de [[QUEMENEUR]] par [[Kerbrat]] [[27/02/2021]]")
    if text:
        facet = "facet normal 0 0 1\n outer loop\n  vertex 0 0 0\n  vertex 1.5 0 0\n  vertex 0 2.25e0 0\n endloop\nendfacet\n"
        content = f"solid {said}\n{facet * 3}endsolid {said}\n".encode()
    else:
        triangle = struct.pack("<12f", 0, 0, 1, 0, 0, 0, 1.5, 0, 0, 0, 2.25, 0)
        attributes = [b"QU", b"EM", b"EN"]
        content = (
            said.encode().ljust(80, b" ")
            + struct.pack("<I", 3)
            + b"".join(triangle + one for one in attributes)
            + made.say("[[Solenn]] [[P00318842]]").encode()
        )
    return _document("STL", made, content, "model/stl")


def wavefront() -> Planted:
    """Return an encapsulated OBJ with names of objects, groups, materials and files, and comments."""
    made = without_pixels(planted("104.4", "M3D"))
    said = made.say("# segmenté par [[Kerbrat]] le [[27/02/2021]]\nmtllib [[quemeneur]].mtl\no foie_[[QUEMENEUR]]\nv 0 0 0 # [[Solenn]]\nv 1.5 0 0\nv 0 2.25 0\n"
                    "vn 0 0 1\ng [[Madec]] [[P00318842]]\nusemtl [[kervoal_rouge]]\ns off\nf 1//1 2//1 \\\n 3//1\n")  # fmt: skip
    return _document("OBJ", made, said.encode(), "model/obj")


def materials() -> Planted:
    """Return an encapsulated MTL with names of materials and of pictures."""
    made = without_pixels(planted("104.5", "M3D"))
    said = made.say(
        "# [[Kerbrat]]\nnewmtl [[kervoal_rouge]]\nKa 1 0 0\nKd 0.8 0.1 0.1\nd 0.5\nillum 2\nmap_Kd C:/Users/[[ykerbrat]]/[[quemeneur]].png\n"
    )
    return _document("MTL", made, said.encode(), "model/mtl")


DOCUMENTS: dict[str, Callable[[], Planted]] = {
    "CDA of sections": clinical_document,
    "STL": solid,
    "STL of text": lambda: solid(text=True),
    "OBJ": wavefront,
    "MTL": materials,
}
"""Kind to what makes it."""

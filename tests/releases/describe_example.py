"""The description of an invented study, as its YAML file says it."""

DESCRIPTION = """\
base_url: https://catalogue.example.org
title: {fr: "Radiomique TEP/TDM avant traitement", en: "PET/CT radiomics before treatment"}
description:
  fr: Caractéristiques d'image, expression génique et survie de patients simulés.
  en: Image features, gene expression and survival of simulated patients.
provenance: {fr: "Dossiers hospitaliers simulés.", en: "Simulated hospital records."}
rights: {fr: "Accès sur autorisation.", en: "Access upon authorisation."}
request_access: {fr: "Écrire au contact.", en: "Write to the contact."}
keywords: [radiomics, oncology]
publisher:
  name: Hôpital d'exemple
  homepage: https://www.example.org
  email: data@example.org
  type: http://healthdataportal.eu/resource/authority/publisher-type/healthcareSystem
  note: {fr: "Un hôpital.", en: "A hospital."}
  trusted_data_holder: false
hdab: {name: Health data access body, homepage: "https://hdab.example.org", email: hdab@example.org}
contact: {name: Bureau des données, homepage: "https://www.example.org/data", email: contact@example.org}
issued: 2026-01-15
health_category: ["http://healthdataportal.eu/resource/authority/healthcategories/EHRS"]
health_theme: ["http://healthdataportal.eu/resource/authority/health-theme/CANCER_DISEASE"]
purpose: ["https://w3id.org/dpv#AcademicResearch"]
legal_basis: ["https://w3id.org/dpv/legal/eu/gdpr#A9-2-j"]
personal_data: ["https://w3id.org/dpv/dpv-pd#Age"]
population_coverage: {fr: "Trois centres.", en: "Three centres."}
axes: [poor-prognosis]
cancer_site: lung
"""

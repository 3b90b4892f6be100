"""What the clinic speaks: official code systems, real codes. No code here names a person, a place or a date."""

from typing import NamedTuple

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
RACE = "urn:oid:2.16.840.1.113883.6.238"
V2, V3 = "http://terminology.hl7.org/CodeSystem/v2-", "http://terminology.hl7.org/CodeSystem/v3-"
HL7 = "http://terminology.hl7.org/CodeSystem/"


class Code(NamedTuple):
    code: str
    display: str


class Problem(NamedTuple):
    snomed: str
    icd10: str
    display: str


class Measure(NamedTuple):
    """A quantity: its LOINC code, UCUM unit, and between what it usually is."""

    code: str
    display: str
    unit: str
    low: float
    high: float
    digits: int = 0


PROBLEMS = (
    Problem("44054006", "E11.9", "Diabetes mellitus type 2"),
    Problem("59621000", "I10", "Essential hypertension"),
    Problem("195967001", "J45.909", "Asthma"),
    Problem("13645005", "J44.9", "Chronic obstructive lung disease"),
    Problem("53741008", "I25.10", "Coronary arteriosclerosis"),
    Problem("40930008", "E03.9", "Hypothyroidism"),
    Problem("55822004", "E78.5", "Hyperlipidemia"),
    Problem("35489007", "F32.9", "Depressive disorder"),
    Problem("10509002", "J20.9", "Acute bronchitis"),
    Problem("37796009", "G43.909", "Migraine"),
    Problem("396275006", "M19.90", "Osteoarthritis"),
    Problem("49436004", "I48.91", "Atrial fibrillation"),
    Problem("84114007", "I50.9", "Heart failure"),
    Problem("68566005", "N39.0", "Urinary tract infectious disease"),
    Problem("235595009", "K21.9", "Gastroesophageal reflux disease"),
)
PRESSURE = Code("85354-9", "Blood pressure panel with all children optional")
SYSTOLIC = Measure("8480-6", "Systolic blood pressure", "mm[Hg]", 98, 172)
DIASTOLIC = Measure("8462-4", "Diastolic blood pressure", "mm[Hg]", 55, 104)
VITALS = (
    Measure("8867-4", "Heart rate", "/min", 52, 112),
    Measure("9279-1", "Respiratory rate", "/min", 11, 24),
    Measure("8310-5", "Body temperature", "Cel", 36.1, 39.2, 1),
    Measure("29463-7", "Body weight", "kg", 42, 128, 1),
    Measure("8302-2", "Body height", "cm", 148, 196),
    Measure("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "%", 91, 100),
)
LABS = (
    Measure("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 4.8, 10.4, 1),
    Measure("2339-0", "Glucose [Mass/volume] in Blood", "mg/dL", 68, 240),
    Measure("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 0.5, 2.4, 2),
    Measure("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 3.2, 5.4, 1),
    Measure("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 131, 148),
    Measure("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 9.5, 17.2, 1),
    Measure("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL", 120, 290),
    Measure("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", 3.1, 14.2, 1),
)
SMOKING = Code("72166-2", "Tobacco smoking status")
SMOKING_ANSWERS = (Code("266919005", "Never smoked tobacco"), Code("8517006", "Ex-smoker"), Code("77176002", "Smoker"))
BLOOD_GROUP = Code("882-1", "ABO and Rh group [Type] in Blood")
BLOOD_GROUP_ANSWERS = (
    Code("278149003", "Blood group A Rh(D) positive"),
    Code("278147001", "Blood group O Rh(D) positive"),
)
REMARK = Code("48767-8", "Annotation comment [Interpretation] Narrative")
REPORTS = (
    Code("58410-2", "CBC panel - Blood by Automated count"),
    Code("24323-8", "Comprehensive metabolic 2000 panel - Serum or Plasma"),
)
NOTES = (
    Code("11506-3", "Progress note"),
    Code("34117-2", "History and physical note"),
    Code("18842-5", "Discharge summary"),
)
MEDICINES = (
    Code("314076", "lisinopril 10 MG Oral Tablet"),
    Code("197361", "amlodipine 5 MG Oral Tablet"),
    Code("617310", "atorvastatin 20 MG Oral Tablet"),
    Code("310798", "hydrochlorothiazide 25 MG Oral Tablet"),
    Code("313782", "acetaminophen 325 MG Oral Tablet"),
    Code("310965", "ibuprofen 200 MG Oral Tablet"),
    Code("309362", "clopidogrel 75 MG Oral Tablet"),
    Code("855332", "warfarin sodium 5 MG Oral Tablet"),
)
VACCINES = (
    Code("140", "Influenza, split virus, trivalent, PF"),
    Code("115", "Tdap"),
    Code("33", "pneumococcal polysaccharide PPV23"),
    Code("187", "zoster recombinant"),
    Code("113", "Td (adult), 5 Lf tetanus toxoid, preservative free, adsorbed"),
)
PROCEDURES = (
    Code("73761001", "Colonoscopy"),
    Code("80146002", "Appendectomy"),
    Code("399208008", "Plain chest X-ray"),
    Code("268400002", "12 lead electrocardiogram"),
    Code("127783003", "Spirometry"),
    Code("40701008", "Echocardiography"),
)
ALLERGENS = (
    Code("764146007", "Penicillin"),
    Code("387458008", "Aspirin"),
    Code("256349002", "Peanut"),
    Code("111088007", "Latex"),
    Code("387207008", "Ibuprofen"),
)
REACTIONS = (Code("126485001", "Urticaria"), Code("271807003", "Eruption of skin"), Code("39579001", "Anaphylaxis"))
VISITS = (
    Code("185349003", "Encounter for check up"),
    Code("185345009", "Encounter for symptom"),
    Code("390906007", "Follow-up encounter"),
)
RACES = (
    Code("1002-5", "American Indian or Alaska Native"),
    Code("2028-9", "Asian"),
    Code("2054-5", "Black or African American"),
    Code("2106-3", "White"),
)
ETHNICITIES = (Code("2135-2", "Hispanic or Latino"), Code("2186-5", "Not Hispanic or Latino"))

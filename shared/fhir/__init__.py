"""The FHIR integration layer: the only way to PHI."""

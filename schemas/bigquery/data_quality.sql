-- How often each rule of docs/validation.md was broken, by resource type and by the day on which we looked: by how many versions, and how often in all. What never was broken has no line; what was set aside (error) is no row of this dataset.
SELECT
  rule,
  severity,
  resource_type,
  day,
  COUNT(*) AS versions,
  SUM(findings) AS findings
FROM `{project}.{dataset}.quality_rows`
GROUP BY rule, severity, resource_type, day

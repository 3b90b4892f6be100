-- How fresh each resource type is: when its newest row was committed and how long ago that is. A type in which nothing changes looks old.
SELECT
  resource_type,
  MAX(committed_at) AS newest_committed_at,
  TIMESTAMP_DIFF(CURRENT_TIMESTAMP(), MAX(committed_at), SECOND) AS seconds_since
FROM `{project}.{dataset}.change_rows`
GROUP BY resource_type

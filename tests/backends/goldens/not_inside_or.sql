-- A negated group under or
-- 2af2024b-349d-56e2-a274-5e8819e69e45, for Sysmon as JSON
-- fidelity: exact
SELECT
  *
FROM sysmon
WHERE
  (
    TRY_CAST("EventID" AS BIGINT) = 1
    AND (
      NULLIF("Channel", '') IS NULL
      OR "Channel" = 'Microsoft-Windows-Sysmon/Operational'
    )
  )
  AND (
    LOWER("Image") LIKE '%\wmic.exe'
    OR NOT COALESCE(
      LOWER("CommandLine") LIKE '%/node:%' AND LOWER("CommandLine") LIKE '%create',
      FALSE
    )
  )

-- Base64 at any offset
-- 761c7d41-990e-559c-9825-7e935ae70365, for Sysmon as JSON
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
    LOWER("CommandLine") LIKE '%ahr0cdovl%'
    OR LOWER("CommandLine") LIKE '%h0dha6ly%'
    OR LOWER("CommandLine") LIKE '%odhrwoi8v%'
  )

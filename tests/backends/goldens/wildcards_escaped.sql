-- Characters that are no wildcards
-- 061f814f-abcd-5bab-9abd-b715d190e8a0, for Sysmon as JSON
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
    LOWER("CommandLine") LIKE '%a*b%'
    OR LOWER("CommandLine") LIKE '%a?b%'
    OR LOWER("CommandLine") LIKE '%100!%!_sure!!%' ESCAPE '!'
  )

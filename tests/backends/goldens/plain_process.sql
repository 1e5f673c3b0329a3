-- An encoded command of PowerShell
-- 0404416d-f711-53fe-99e2-c0668f6155d3, for Sysmon as JSON
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
  AND LOWER("Image") LIKE '%\powershell.exe'
  AND (
    LOWER("CommandLine") LIKE '% -enc %'
    OR LOWER("CommandLine") LIKE '% -encodedcommand %'
  )

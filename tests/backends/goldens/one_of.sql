-- One of several selections
-- 5bdbf45d-7a7c-5b99-97ad-cbb693b3dd95, for Sysmon as JSON
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
    (
      LOWER("Image") LIKE '%\powershell.exe'
      AND LOWER("CommandLine") LIKE '%downloadstring%'
    )
    OR (
      LOWER("Image") LIKE '%\certutil.exe' AND LOWER("CommandLine") LIKE '%urlcache%'
    )
  )
  AND NOT COALESCE(
    LOWER("ParentImage") LIKE '%\updater.exe'
    OR (
      LOWER("ParentImage") LIKE '%\setup.exe'
      AND LOWER("CommandLine") LIKE '%https://update.example/%'
    ),
    FALSE
  )

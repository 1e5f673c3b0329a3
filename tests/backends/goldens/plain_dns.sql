-- A name below a dynamic DNS provider
-- 65290c58-ed42-5c32-bd2d-7773b3623b5d, for Sysmon as JSON
-- fidelity: exact
SELECT
  *
FROM sysmon
WHERE
  (
    TRY_CAST("EventID" AS BIGINT) = 22
    AND (
      NULLIF("Channel", '') IS NULL
      OR "Channel" = 'Microsoft-Windows-Sysmon/Operational'
    )
  )
  AND (
    LOWER("QueryName") LIKE '%.duckdns.example'
    OR LOWER("QueryName") LIKE '%.no-ip.example'
  )

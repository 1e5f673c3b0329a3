-- A list of whole values
-- bbd3da08-1160-5712-889d-f4e98ca944b4, for Sysmon as JSON
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
  AND LOWER("QueryName") IN ('api.ipify.example', 'ifconfig.example', '192.0.2.1')

-- A list with regard to case
-- d0ac0401-5cd1-54f9-9341-f291dabfe258, for Sysmon as JSON
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
  AND "QueryName" IN ('Example.com', 'example.ORG')

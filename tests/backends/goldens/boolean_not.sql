-- Not initiated here
-- 1b41d891-351e-5b46-b445-9c5e398ab615, for Sysmon as JSON
-- approximate: Sysmon records connections only as its configuration says, and by default none
SELECT
  *
FROM sysmon
WHERE
  (
    TRY_CAST("EventID" AS BIGINT) = 3
    AND (
      NULLIF("Channel", '') IS NULL OR "Channel" = 'Linux-Sysmon/Operational'
    )
  )
  AND TRY_CAST("DestinationPort" AS BIGINT) = 22
  AND NOT COALESCE(TRY_CAST("Initiated" AS BOOLEAN) = TRUE, FALSE)

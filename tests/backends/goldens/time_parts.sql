-- Parts of the time of an event
-- 5d0c1c0e-5a6b-5a57-9d1f-6f3f0b0c7a11, for Sysmon as JSON
-- fidelity: exact
SELECT
  *,
  CASE
    WHEN REGEXP_MATCHES(NULLIF("UtcTime", ''), '[+-][0-9]{2}:?[0-9]{2}$')
    THEN TRY_CAST(NULLIF("UtcTime", '') AS TIMESTAMPTZ) AT TIME ZONE 'UTC'
    ELSE TRY_CAST(NULLIF("UtcTime", '') AS TIMESTAMP)
  END AS "EventTime"
FROM (
  SELECT
    *
  FROM sysmon
  WHERE
    TRY_CAST("EventID" AS BIGINT) = 1
    AND (
      NULLIF("Channel", '') IS NULL
      OR "Channel" = 'Microsoft-Windows-Sysmon/Operational'
    )
) AS layer_1
WHERE
  (
    EXTRACT(HOUR FROM "EventTime") >= 22 OR EXTRACT(HOUR FROM "EventTime") < 6
  )
  AND (
    EXTRACT(WEEK FROM "EventTime") IN (1, 53)
    OR (
      NOT COALESCE(EXTRACT(DAY FROM "EventTime") = 29, FALSE)
      AND EXTRACT(MONTH FROM "EventTime") = 2
      AND EXTRACT(YEAR FROM "EventTime") > 2019
    )
  )
  AND NOT COALESCE(EXTRACT(MINUTE FROM "EventTime") = 0, FALSE)

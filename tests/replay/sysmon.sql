-- Botnet Node Beaconing to a Public Address
-- id: 6f0a5b3e-0000-4000-8000-000000000000; written by hand, in the form of the sql target, it's not (balanced
WITH matched AS (
    SELECT
        "Computer",
        TRY_CAST("DestinationPort" AS BIGINT) AS "DestinationPort",
        "DestinationIp",
        "Image",
        TRY_CAST(replace(replace("UtcTime", 'T', ' '), 'Z', '') AS TIMESTAMP) AS "EventTime"
    FROM events
    WHERE "EventID" = '3' AND lower("Initiated") = 'true' AND NOT starts_with("DestinationIp", '10.')
        AND lower("Image") <> 'c:\users\o''brien (x86)\'
),
step_1 AS (
    SELECT *, time_bucket(INTERVAL '3600 seconds', "EventTime", TIMESTAMP '1970-01-01') AS "Hour" FROM matched
),
step_2 AS (
    SELECT "Computer", "DestinationIp", "DestinationPort", "Hour", count(*) AS "HourlyConnections",
        list_distinct(list("Image")) AS "Processes"
    FROM step_1
    WHERE "Computer" <> '' AND "DestinationIp" <> '' AND "DestinationPort" IS NOT NULL
    GROUP BY "Computer", "DestinationIp", "DestinationPort", "Hour"
),
step_3 AS (
    SELECT "Computer", "DestinationIp", "DestinationPort", sum("HourlyConnections") AS "TotalConnections",
        count(*) AS "ActiveHours", list_distinct(flatten(list("Processes"))) AS "Processes",
        min("Hour") AS "FirstHour"
    FROM step_2
    GROUP BY "Computer", "DestinationIp", "DestinationPort"
),
step_4 AS (SELECT * FROM step_3 WHERE "TotalConnections" >= 20 AND "ActiveHours" >= 3)
SELECT *, "TotalConnections" / NULLIF("ActiveHours", 0) AS "ConnectionsPerHour" FROM step_4
ORDER BY "TotalConnections" DESC, "Computer", "DestinationIp", "DestinationPort"

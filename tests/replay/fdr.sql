-- Botnet Node Beaconing to a Public Address, on Falcon Data Replicator rows; written by hand
WITH matched AS (
    SELECT
        "cid",
        "aid",
        "ComputerName",
        TRY_CAST("RemotePort" AS BIGINT) AS "RemotePort",
        coalesce(NULLIF("RemoteAddressIP4", ''), "RemoteAddressIP6") AS "RemoteAddress",
        "ContextBaseFileName",
        make_timestamp(CAST(coalesce(TRY_CAST("ContextTimeStamp" AS DOUBLE), TRY_CAST("timestamp" AS DOUBLE) / 1000) * 1000000 AS BIGINT)) AS "EventTime"
    FROM events
    WHERE "event_simpleName" IN ('NetworkConnectIP4', 'NetworkConnectIP6') AND "ConnectionDirection" = '0'
),
step_1 AS (
    SELECT *, time_bucket(INTERVAL '3600 seconds', "EventTime", TIMESTAMP '1970-01-01') AS "Hour" FROM matched
),
step_2 AS (
    SELECT "cid", "aid", "RemoteAddress", "RemotePort", "Hour", count(*) AS "HourlyConnections",
        list_distinct(list("ContextBaseFileName")) AS "Processes",
        arg_max("ComputerName", "EventTime") AS "ComputerName"
    FROM step_1
    WHERE "cid" <> '' AND "aid" <> '' AND "RemoteAddress" <> '' AND "RemotePort" IS NOT NULL
    GROUP BY "cid", "aid", "RemoteAddress", "RemotePort", "Hour"
),
step_3 AS (
    SELECT "cid", "aid", "RemoteAddress", "RemotePort", sum("HourlyConnections") AS "TotalConnections",
        count(*) AS "ActiveHours", list_distinct(flatten(list("Processes"))) AS "Processes",
        min("Hour") AS "FirstHour", arg_max("ComputerName", "Hour") AS "ComputerName"
    FROM step_2
    GROUP BY "cid", "aid", "RemoteAddress", "RemotePort"
),
step_4 AS (SELECT * FROM step_3 WHERE "TotalConnections" >= 20 AND "ActiveHours" >= 3)
SELECT *, "TotalConnections" / NULLIF("ActiveHours", 0) AS "ConnectionsPerHour" FROM step_4
ORDER BY "TotalConnections" DESC, "aid", "RemoteAddress", "RemotePort"

"""The playbooks for MongoDB, ClickHouse and machines: which alerts of other people's public rule sets they take, which they leave alone, and
that they walk from a symptom to its cause on the real engines."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import clickhouse_connect
import pytest

from bot.alerts.model import Alert
from bot.investigation.investigator import Investigator
from bot.investigation.model import Report
from bot.playbooks.loader import load_library
from bot.playbooks.router import Router
from bot.settings import ServerSettings
from bot.tools.hub import Hub
from mcp_servers.clickhouse.server import create_server as clickhouse_server
from mcp_servers.kubernetes.server import create_server as kubernetes_server
from mcp_servers.mongodb import sampling
from mcp_servers.mongodb.server import create_server as mongodb_server
from sandbox.clickhouse.asking import stage
from sandbox.clickhouse.server import EmbeddedClickHouse
from sandbox.cluster import sketch as k
from sandbox.cluster.server import RecordedCluster

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))  # importlib mode adds no paths
from mongo_fixture import status
from mongo_wire import Deployment, Then


class Rule(NamedTuple):
    """An alert as a public rule set words it, and the family of its playbook."""

    family: str
    name: str
    summary: str
    description: str = ""
    expr: str = ""


RULES = (
    # MongoDB: Grafana's mixins (exporter and Atlas), KubeDB, Percona's, Zabbix's and other teams' rules
    Rule("mongodb.availability", "MongodbDown", "MongoDB Down", "MongoDB instance is down", "mongodb_up == 0"),
    Rule("mongodb.availability", "MongoDBDown", "MongoDB instance down", "MongoDB instance m1 is down", 'up{job="mongodb"} == 0'),
    Rule("mongodb.availability", "MONGO Up", "MongoDB instance is down", "The MongoDB instance is not reachable. Immediate action is required to restore the service.", "mongodb_up < 1"),
    Rule("mongodb.availability", "KubeDBMongoDBPhaseNotReady", "KubeDB MongoDB Phase NotReady (mongodb orders)", "KubeDB MongoDB Phase not ready on orders", 'kubedb_com_mongodb_status_phase{phase="NotReady"} == 1'),
    Rule("mongodb.availability", "MongoDB node: Service is down", "MongoDB node: Service is down"),
    Rule("mongodb.availability", "MongoDB node: has been restarted", "MongoDB node: orders-1 has been restarted", "Uptime is less than 10 minutes."),
    Rule("mongodb.availability", "MongoDBDisconnected", "MongoDB desconectado", "", "mongodb_up == 0"),
    Rule("mongodb.replication", "MongodbReplicationLag", "MongoDB replication lag", "Mongodb replication lag is more than 10s", 'mongodb_mongod_replset_member_optime_date{state="PRIMARY"} - ON (set) mongodb_mongod_replset_member_optime_date{state="SECONDARY"} > 10'),
    Rule("mongodb.replication", "MongodbReplicationHeadroom", "MongoDB replication headroom", "MongoDB replication headroom is <= 0", "(avg(mongodb_mongod_replset_oplog_tail_timestamp - mongodb_mongod_replset_oplog_head_timestamp)) <= 0"),
    Rule("mongodb.replication", "MongodbOplogWindowBelow1Hour", "MongoDB Replica Set Member Oplog Window Below 1 Hour", "", "(mongodb_oplog_latestOptime-mongodb_oplog_earliestOptime) < 3600"),
    Rule("mongodb.replication", "MONGO Node Count", "MongoDB replica set has less than 3 healthy members", "The MongoDB replica set is degraded", "sum(mongodb_rs_ok) < 3"),
    Rule("mongodb.replication", "AtlasHighNumberOfTimeoutElections", "There are a high number of elections being called due to the primary node timing out.", "", "sum (increase(mongodb_electionMetrics_electionTimeout_called[5m])) > 10"),
    Rule("mongodb.replication", "MongoDBReplicaDown", "MongoDB replica set member m2 is in state 8", "", "mongodb.member.state != 1"),
    Rule("mongodb.replication", "MongoDBReplicationHealthIssue", "MongoDB replication health issue", "MongoDB instance m2 is unhealthy", "mongodb_replset_member_health == 0"),
    Rule("mongodb.connections", "MongodbTooManyConnections", "MongoDB too many connections", "Too many connections (> 80%)", 'avg by(instance) (rate(mongodb_connections{state="current"}[1m])) / avg by(instance) (sum (mongodb_connections) by (instance)) * 100 > 80'),
    Rule("mongodb.connections", "MongoDBHighConnections", "MongoDB connection utilization > 80%", "", 'mongodb_connections{state="current"} / mongodb_connections{state="available"} > 0.8'),
    Rule("mongodb.connections", "MongoDBConnectionPoolExhausted", "MongoDB Connection Pool Exhausted", "Connection pool usage exceeds 90% for 5 minutes", 'mongodb_ss_connections{conn_type="current"} > 900'),
    Rule("mongodb.performance", "MongodbNumberCursorsOpen", "MongoDB number cursors open", "Too many cursors opened by MongoDB for clients (> 10k)", 'mongodb_mongod_metrics_cursor_open{state="total"} > 10 * 1000'),
    Rule("mongodb.performance", "MongodbCursorsTimeouts", "MongoDB cursors timeouts", "Too many cursors are timing out", "increase(mongodb_mongod_metrics_cursor_timed_out_total[1m]) > 100"),
    Rule("mongodb.performance", "MongodbVirtualMemoryUsage", "MongoDB virtual memory usage", "High memory usage", '(sum(mongodb_memory{type="virtual"}) BY (instance) / sum(mongodb_memory{type="mapped"}) BY (instance)) > 3'),
    Rule("mongodb.performance", "MongoDBHighLatency", "High latency in mongodb instances m1", "High latency in instances", "rate(mongodb_ss_opLatencies_latency[5m]) / rate(mongodb_ss_opLatencies_ops[5m]) > 250000"),
    Rule("mongodb.performance", "MongoDBHighTicketUtilization", "MongoDB: ticket usage over 75%", "", "mongodb_ss_wt_concurrentTransactions_out / mongodb_ss_wt_concurrentTransactions_totalTickets * 100 > 75"),
    Rule("mongodb.performance", "MongoDBRecurrentMemoryPageFaults", "MongoDB: recurrent memory page faults in instance m1", "", "rate(mongodb_ss_extra_info_page_faults[5m]) > 20"),
    Rule("mongodb.performance", "MongoDBCachePressure", "MongoDB WiredTiger cache is 96% utilized", "", "wiredtiger_cache_used / wiredtiger_cache_max > 0.9"),
    Rule("mongodb.performance", "AtlasHighNumberOfDeadlocks", "There are a high number of deadlocks occurring.", "", "sum(increase(mongodb_locks_Collection_deadlockCount_R[5m])) > 10"),
    Rule("mongodb.performance", "MongoDB node: Too many cursors opened by MongoDB for clients", "MongoDB node: Too many cursors opened by MongoDB for clients", "over 10000 for 5m"),
    Rule("mongodb.storage", "MongodbStorage", "MongoDB Storage", "MongoDB Storage Less Than 10%", "((hardware_disk_metrics_disk_space_free_bytes / (hardware_disk_metrics_disk_space_used_bytes{} + hardware_disk_metrics_disk_space_free_bytes{})) * 100) < 10"),
    Rule("mongodb.storage", "MongoDBStashBackupSessionFailed", "MongoDB Stash backup session failed", "", ""),
    Rule("mongodb.storage", "MongoDBDiskSpaceLow", "MongoDB disk space low", "Data volume of MongoDB has less than 10% free", ""),
    # words that no other product has name the product
    Rule("mongodb.replication", "OplogShort", "Oplog window below 2 h", "The oplog of rs0 holds less than two hours", ""),
    Rule("mongodb.replication", "NoPrimary", "Replica set has no primary", "Replica set atlas-abc-shard-0 has had no primary for 5 minutes", ""),
    Rule("mongodb.performance", "TicketsLow", "Read tickets nearly used up", "Only 5 read tickets are available on m1", ""),
    Rule("mongodb.performance", "Targeting", "Query Targeting: Scanned Objects / Returned has gone above 1000", "Cluster prod-shard-00-01", ""),
    Rule("mongodb.storage", "AtlasDisk", "DISK_PARTITION_SPACE_USED_DATA above 90", "Atlas cluster prod: disk space used on the data partition", ""),
    Rule("clickhouse.replication", "ReplicasBehind", "Replica lag more than 300s", "ReplicasMaxAbsoluteDelay is 420 s on chi-a-0-0", ""),
    Rule("clickhouse.ingest", "PartCount", "MaxPartCountForPartition over 300", "Too many active parts in one partition", ""),
    # ClickHouse: Altinity's operator, Grafana's mixin and other teams' rules
    Rule("clickhouse.availability", "ClickHouseServerPossibleDown", "clickhouse-server possible down", "`metrics-exporter` failed metrics fetch. Please check instance status", "chi_clickhouse_metric_fetch_errors > 0"),
    Rule("clickhouse.availability", "ClickHouseServerRestartRecently", "clickhouse-server started recently", "`clickhouse-server` process has been start less than 3 minutes ago.", "chi_clickhouse_metric_Uptime > 1 < 180"),
    Rule("clickhouse.availability", "ClickHouseDown", "ClickHouse down", "ClickHouse instance ch-1 is down", 'up{job=~".*clickhouse.*"} == 0'),
    Rule("clickhouse.replication", "ClickHouseReadonlyReplica", "ReadOnly replica occurred", "`clickhouse-server` have ReplicatedMergeTree tables that are currently in readonly state due to re-initialization after ZooKeeper session loss", "chi_clickhouse_metric_ReadonlyReplica > 0"),
    Rule("clickhouse.replication", "ClickHouseReplicasMaxAbsoluteDelay", "Replication Lag more 300s occurred", "`clickhouse-server` have replication lag. Check free disk space disks and network connection", "chi_clickhouse_metric_ReplicasMaxAbsoluteDelay > 300"),
    Rule("clickhouse.replication", "ClickHouseZooKeeperSession", "ZooKeeperSession > 1", "Number of sessions (connections) from `clickhouse-server` to `ZooKeeper` shall be no more than one", "chi_clickhouse_metric_ZooKeeperSession > 1"),
    Rule("clickhouse.replication", "ClickHouseReplicationQueueBackingUp", "ClickHouse replica max queue size backing up.", "ClickHouse replication tasks are processing slower than expected on ch-1", "ClickHouseAsyncMetrics_ReplicasMaxQueueSize > 99"),
    Rule("clickhouse.replication", "ClickHouseReplicasInReadOnly", "ClickHouse has too many replicas in read only state.", "ClickHouse has replicas in a read only state on ch-1 after losing connection to Zookeeper or at startup.", "ClickHouseMetrics_ReadonlyReplica > 0"),
    Rule("clickhouse.replication", "ClickHouseReplicatedPartFailedFetches", "Increased ReplicatedPartFailedFetches", "`clickhouse-server` increase ReplicatedPartFailedFetches in `system.events` table.", "increase(chi_clickhouse_event_ReplicatedPartFailedFetches[1m]) > 0"),
    Rule("clickhouse.ingest", "ClickHouseRejectedInserts", "ClickHouse has too many rejected inserts.", "ClickHouse inserts are being rejected on ch-1 as items are being inserted faster than ClickHouse is able to merge them.", "ClickHouseProfileEvents_RejectedInserts > 1"),
    Rule("clickhouse.ingest", "ClickHouseDelayedInsertThrottling", "Delayed INSERT queries occurred", "`clickhouse-server` have INSERT queries that are throttled due to high number of active data parts", "increase(chi_clickhouse_event_DelayedInserts[1m]) > 0"),
    Rule("clickhouse.ingest", "ClickHouseMaxPartCountForPartition", "Max parts per partition > 100", "`clickhouse-server` have too many parts in one partition.", "chi_clickhouse_metric_MaxPartCountForPartition > 100"),
    Rule("clickhouse.ingest", "ClickHouseLowInsertedRowsPerQuery", "please increase inserted rows per INSERT query", "`clickhouse-server` have low insert speed.", "increase(chi_clickhouse_event_InsertedRows[1m]) / increase(chi_clickhouse_event_InsertQuery[1m]) <= 1000"),
    Rule("clickhouse.ingest", "ClickHouseDistributedFilesToInsertHigh", "clickhouse-server have Distributed Files to Insert > 50", "", "chi_clickhouse_metric_DistributedFilesToInsert > 50"),
    Rule("clickhouse.ingest", "ClickHouseTooManyMutations", "ClickHouse has mutations that do not finish", "", ""),
    Rule("clickhouse.queries", "ClickHouseLongestRunningQuery", "Long running queries occurred", "`clickhouse-server` have queries that running more than 600 seconds", "chi_clickhouse_metric_LongestRunningQuery > 600"),
    Rule("clickhouse.queries", "ClickHouseTooManyRunningQueries", "Too much running queries", "`clickhouse-server` have 81 running queries. Each concurrent SELECT query use memory in JOINs; each INSERT query utilize disk I/O", "chi_clickhouse_metric_Query > 80"),
    Rule("clickhouse.queries", "ClickHouseTooManyConnections", "Total connections > 100", "`clickhouse-server` have many open connections.", "chi_clickhouse_metric_HTTPConnection + chi_clickhouse_metric_TCPConnection > 100"),
    Rule("clickhouse.queries", "ClickHouseRejectedConnections", "ClickHouse rejecting connections", "ClickHouse is rejecting TCP/HTTP connections on ch-1", "sum(rate(ClickHouseAsyncMetrics_TCPRejectedConnections[5m])) > 0"),
    Rule("clickhouse.queries", "ClickHouseHighLatency", "ClickHouse queries are slow", "", "clickhouse_query_latency > 5"),
    Rule("clickhouse.resources", "ClickHouseDiskSpaceLow", "ClickHouse disk space critically low (< 15%)", "Instance ch-1 has < 15% disk space free", '(node_filesystem_avail_bytes{mountpoint="/var/lib/clickhouse"} / node_filesystem_size_bytes{mountpoint="/var/lib/clickhouse"}) < 0.15'),
    Rule("clickhouse.resources", "ClickHouseMemoryUsageHigh", "ClickHouse memory usage > 85%", "Instance ch-1 memory usage: 87%", '(process_resident_memory_bytes{job="clickhouse-metrics"} / node_memory_MemTotal_bytes) > 0.85'),
    Rule("clickhouse.resources", "ClickHouseHighCPU", "ClickHouse uses much CPU", "", "ClickHouseAsyncMetrics_LoadAverage1 > 32"),
    Rule("clickhouse.access", "ClickHouseFailedLogins", "ClickHouse: failed log-ins", "", "increase(ClickHouseErrorMetric_WRONG_PASSWORD[5m]) > 3"),
    Rule("clickhouse.backup", "ClickHouseBackupFailed", "clickhouse-backup last backup possible failed", "", "clickhouse_backup_last_backup_success == 0"),
    Rule("clickhouse.backup", "ClickHouseBackupTooLong", "clickhouse-backup last backup duration was more 4 hours", "", "clickhouse_backup_last_backup_duration > 14400000000000"),
    Rule("clickhouse.backup", "ClickHouseBackupDown", "clickhouse-backup possible down", "`clickhouse-backup` can't be scraped via prometheus.", "up{container_name='clickhouse-backup'} == 0"),
    # machines: the node exporter's mixin, Zabbix, Netdata, Datadog and other teams' rules
    Rule("host.cpu", "NodeCPUHighUsage", "High CPU usage.", "CPU usage at h-3:9100 has been above 90% for the last 15 minutes, is currently at 97.10%.", 'sum without(mode) (avg without (cpu) (rate(node_cpu_seconds_total{mode!~"idle|iowait"}[2m]))) * 100 > 90'),
    Rule("host.cpu", "NodeSystemSaturation", "System saturated, load per core is very high.", "System load per core at h-3:9100 has been above 2 for the last 15 minutes", "node_load1 / count without (cpu, mode) (node_cpu_seconds_total) > 2"),
    Rule("host.cpu", "Linux: High CPU utilization", "Linux: High CPU utilization (over 90% for 5m)", "Current utilization: 97 %"),
    Rule("host.cpu", "Linux: Load average is too high", "Linux: Load average is too high (per CPU load over 1.5 for 5m)"),
    Rule("host.cpu", "NodeCPUUsage", "h-3:9100: High CPU usage detected", "h-3:9100: CPU usage is above 90%", '(100 - (avg by (instance) (irate(node_cpu{mode="idle"}[5m])) * 100)) > 90'),
    Rule("host.cpu", "High CPU Usage", "CPU usage is above 80% on host h-3.", "", "avg(last_5m):avg:system.cpu.user{*} by {host} > 80"),
    Rule("host.memory", "NodeMemoryHighUtilization", "Host is running out of memory.", "Memory is filling up at h-3:9100, has been above 90% for the last 15 minutes", "100 - (node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes * 100) > 90"),
    Rule("host.memory", "NodeMemoryMajorPagesFaults", "Memory major page faults are occurring at very high rate.", "Memory major pages are occurring at very high rate at h-3:9100", "rate(node_vmstat_pgmajfault[5m]) > 500"),
    Rule("host.memory", "Linux: Lack of available memory", "Lack of available memory on server h-3"),
    Rule("host.memory", "SwapIsFillingUp", "Swap is filling up (instance h-3)", "Swap is filling up (>80%)", "(1 - (node_memory_SwapFree_bytes / node_memory_SwapTotal_bytes)) * 100 > 80"),
    Rule("host.memory", "HighMemoryUsage", "High memory usage on h-3", "Memory usage is above 85% on h-3", "(node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes) / node_memory_MemTotal_bytes * 100 > 85"),
    Rule("host.disk", "NodeFilesystemSpaceFillingUp", "Filesystem is predicted to run out of space within the next 24 hours.", "Filesystem on /dev/sda1, mounted on /, at h-3:9100 has only 12.3% available space left and is filling up.", "node_filesystem_avail_bytes / node_filesystem_size_bytes * 100 < 40"),
    Rule("host.disk", "NodeFilesystemAlmostOutOfFiles", "Filesystem has less than 5% inodes left.", "Filesystem on /dev/sda1, mounted on /, at h-3:9100 has only 4.1% available inodes left.", "node_filesystem_files_free / node_filesystem_files * 100 < 5"),
    Rule("host.disk", "NodeRAIDDegraded", "RAID Array is degraded.", "RAID array 'md0' at h-3:9100 is in degraded state due to one or more disks failures.", 'node_md_disks_required - ignoring (state) (node_md_disks{state="active"}) > 0'),
    Rule("host.disk", "NodeDiskIOSaturation", "Disk IO queue is high.", "Disk IO queue (aqu-sq) is high on sda at h-3:9100, has been above 10 for the last 30 minutes", "rate(node_disk_io_time_weighted_seconds_total[5m]) > 10"),
    Rule("host.disk", "Linux: FS [/]: Space is critically low", "Linux: FS [/]: Disk space is critically low (used > 90%, total 40GB)"),
    Rule("host.disk", "Low disk space", "Disk usage is above 90% on host h-3", "", "avg(last_10m):avg:system.disk.in_use{*} by {host,device} > 0.9"),
    Rule("host.network", "NodeNetworkReceiveErrs", "Network interface is reporting many receive errors.", "h-3:9100 interface eth0 has encountered 4123 receive errors in the last two minutes.", "rate(node_network_receive_errs_total[2m]) / rate(node_network_receive_packets_total[2m]) > 0.01"),
    Rule("host.network", "NodeHighNumberConntrackEntriesUsed", "Number of conntrack are getting close to the limit.", "h-3:9100 98% of conntrack entries are used.", "(node_nf_conntrack_entries / node_nf_conntrack_entries_limit) > 0.75"),
    Rule("host.network", "NodeBondingDegraded", "Bonding interface is degraded.", "Bonding interface bond0 on h-3:9100 is in degraded state due to one or more slave failures.", "(node_bonding_slaves - node_bonding_active) != 0"),
    Rule("host.network", "Linux: Interface eth0: Link down", "Linux: Interface eth0: Link down"),
    Rule("host.other", "NodeClockSkewDetected", "Clock skew detected.", "Clock at h-3:9100 is out of sync by more than 0.05s. Ensure NTP is configured correctly on this host.", "node_timex_offset_seconds > 0.05"),
    Rule("host.other", "NodeFileDescriptorLimit", "Kernel is predicted to exhaust file descriptors limit soon.", "File descriptors limit at h-3:9100 is currently at 91.20%.", "node_filefd_allocated * 100 / node_filefd_maximum > 90"),
    Rule("host.other", "NodeTextFileCollectorScrapeError", "Node Exporter text file collector failed to scrape.", "Node Exporter text file collector on h-3:9100 failed to scrape.", "node_textfile_scrape_error == 1"),
    Rule("host.other", "NodeSystemdServiceFailed", "Systemd service has entered failed state.", "Systemd service nginx.service has entered failed state at h-3:9100", 'node_systemd_unit_state{state="failed"} == 1'),
    Rule("host.other", "NodeExporterDown", "node-exporter cannot be scraped", "Prometheus could not scrape a node-exporter for more than 10m", 'absent(up{job="node-exporter"} == 1)'),
    Rule("host.other", "Linux: System time is out of sync", "Linux: System time is out of sync (diff with Zabbix server > 60s)"),
)  # fmt: skip

# What must not come to a playbook of these families, however near its words are.
OTHERS = (
    Rule("", "RedisOutOfMemory", "Redis is running out of memory on server cache-1"),
    Rule("", "ElasticsearchDiskSpaceLow", "Disk usage of Elasticsearch node es-1 is over 80%"),
    Rule("", "PostgresqlTooManyConnections", "PostgreSQL instance has too many connections (> 80%)", "", "pg_stat_activity_count > 80"),
    Rule("", "ServiceHighLatency", "p99 latency of checkout is 2.1 s"),
    Rule("", "JvmMemoryFillingUp", "JVM memory is filling up (> 80%)", "", "jvm_memory_used_bytes / jvm_memory_max_bytes > 0.8"),
    Rule("", "KubePodCrashLooping", "Pod is crash looping.", "Pod orders/mongodb-0 (mongod) is in waiting state (reason: CrashLoopBackOff)", "max_over_time(kube_pod_container_status_waiting_reason[5m]) >= 1"),
    Rule("", "KubeStatefulSetReplicasMismatch", "StatefulSet has not matched the expected number of replicas.", "StatefulSet logs/clickhouse has not matched the expected number of replicas", "kube_statefulset_status_replicas_ready != kube_statefulset_replicas"),
    Rule("", "KubeNodeNotReady", "Node is not ready.", "worker-7 has been unready for more than 15 minutes.", 'kube_node_status_condition{condition="Ready"} == 0'),
    Rule("", "CertificateExpiresSoon", "The certificate of db.example.com expires in 5 days"),
    Rule("", "KafkaConsumerLag", "Consumer group orders lags 10000 messages", "", "kafka_consumergroup_lag > 10000"),
)  # fmt: skip

OURS = ("mongodb.", "clickhouse.", "host.")


@pytest.fixture(scope="module")
def router() -> Router:
    return Router(load_library([]))


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_an_alert_of_a_public_rule_set_finds_its_family(router: Router, rule: Rule) -> None:
    alert = Alert(
        source="alertmanager", name=rule.name, summary=rule.summary, description=rule.description, expr=rule.expr
    )
    assert router.choose(alert).playbook.family == rule.family
    if rule.expr:  # teams name alerts as they like
        assert router.choose(alert.model_copy(update={"name": "TeamAlert42"})).playbook.family == rule.family


@pytest.mark.parametrize("rule", OTHERS, ids=lambda r: r.name)
def test_an_alert_of_something_else_goes_elsewhere(router: Router, rule: Rule) -> None:
    alert = Alert(
        source="alertmanager", name=rule.name, summary=rule.summary, description=rule.description, expr=rule.expr
    )
    assert not router.choose(alert).playbook.family.startswith(OURS)


# -- from the symptom to the cause, on the real engines ----------------------------------------------------------------------------------


def now() -> Any:
    return k.TAKEN


async def investigated(router: Router, alert: Alert, **servers: Any) -> Report:
    """One investigation as `rca investigate` runs it: hub, sessions, steps, findings, verdict."""
    hub = Hub([ServerSettings(name=name) for name in servers], ready=servers)
    await hub.start()
    try:
        await hub.wait_ready(10)
        return await Investigator(hub, router.choose).investigate(alert, investigation="test")
    finally:
        await hub.stop()


def found(report: Report) -> dict[str, str]:
    """The true findings that stand, each with its object."""
    return {f.id: f.object for f in report.findings if f.state == "true" and not f.suppressed_by}


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Any]:
    """A Kubernetes server over a cluster in which `checkout` was rolled out twelve minutes before the alert."""
    one, two = k.template("checkout", "r/checkout:2.14"), k.template("checkout", "r/checkout:2.15")
    items = [
        k.namespace(),
        k.node(),
        k.deployment("checkout", two),
        k.replica_set("checkout", "aaaaa1", 1, one, ago=9000),
        k.replica_set("checkout", "bbbbb2", 2, two, replicas=2, ready=2, ago=12),
    ]
    async with RecordedCluster(k.write(folder, items)) as recorded:
        config = folder / "kubeconfig.json"
        config.write_text(json.dumps(recorded.kubeconfig()))
        yield kubernetes_server({"RCA_K8S_KUBECONFIG": str(config)})


TOO_MANY = Alert(
    source="alertmanager",
    name="MongodbTooManyConnections",
    summary="MongoDB too many connections",
    labels={"instance": "orders-db:9216"},
)


async def test_used_up_connections_lead_to_the_storm_the_client_and_its_rollout(
    router: Router, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "APART_S", 0.01)
    full = {**status()["connections"], "current": 970, "available": 30}
    every_second = (
        {**status(connections={**full, "totalCreated": 90_000 + 400 * n}), "localTime": k.TAKEN + timedelta(seconds=n)}
        for n in range(20)
    )
    held = {"app": "checkout", "client": "10.0.0.9:40000", "driver": "nodejs"}
    async with Deployment("primary") as mongo, cluster(tmp_path) as kubernetes:
        mongo.first.replies["serverStatus"] = Then(*every_second)
        mongo.first.replies["clients"] = [{"_id": held, "n": 800, "active": 4}]
        mongodb = mongodb_server({"RCA_MONGO_URI": mongo.uri, "RCA_MONGO_TIMEOUT_S": "2"}, clock=now)
        report = await investigated(router, TOO_MANY, mongodb=mongodb, kubernetes=kubernetes)
        assert report.playbook == "mongodb-connections"
        assert (report.verdict, report.causes[0].code) == ("confirmed", "mongodb.connections.storm")
        assert report.causes[0].object == f"mongo/{mongo.first.label}"
        assert found(report)["client_rolled_out"] == "Deployment/shop/checkout"
        assert {"nearly_full"} <= {f.id for f in report.findings if f.suppressed_by}, (
            "the effect gives way to its cause"
        )

        await mongo.first.stop()
        again = await investigated(
            router, TOO_MANY, mongodb=mongodb_server({"RCA_MONGO_URI": mongo.uri, "RCA_MONGO_TIMEOUT_S": "1"})
        )
        assert (again.verdict, list(found(again))) == ("inconclusive", ["not_reached"])
        assert any("kubernetes" in line.text.lower() for line in again.not_checked)


@pytest.fixture(scope="module")
def clickhouse() -> Iterator[EmbeddedClickHouse]:
    with asyncio.Runner() as runner:
        server = EmbeddedClickHouse()
        runner.run(server.start())
        yield server
        runner.run(server.stop())


async def test_refused_inserts_lead_to_the_full_disk_and_a_read_only_replica_to_keeper(
    router: Router, clickhouse: EmbeddedClickHouse
) -> None:
    async with await clickhouse_connect.get_async_client(dsn=clickhouse.dsn()) as admin:
        minute = k.at(5).replace("T", " ").removesuffix("Z")
        await stage(admin, "asynchronous_metrics", [{"metric": "LoadAverage1", "value": 1}])
        await stage(admin, "disks", [{"name": "default", "type": "Local", "free_space": 1, "total_space": 100}])
        await stage(
            admin,
            "errors",
            [
                {
                    "name": "TOO_MANY_PARTS",
                    "code": 252,
                    "value": 5,
                    "last_error_time": minute,
                    "last_error_message": "Too many parts",
                }
            ],
        )
        await stage(admin, "metrics", [{"metric": "ZooKeeperSession", "value": 1}])
        await stage(admin, "replicas", [])
        refused = Alert(
            source="alertmanager",
            name="ClickHouseRejectedInsert",
            summary="Rejected INSERT queries occurred",
            starts_at=k.TAKEN,
        )
        report = await investigated(router, refused, clickhouse=clickhouse_server(clickhouse.environ(), clock=now))
        assert report.playbook == "clickhouse-ingest"
        assert (report.verdict, report.causes[0].code) == ("confirmed", "clickhouse.disk.full")
        assert "inserts_suffer" not in found(report), "refused inserts are what a full disk does"

        await stage(admin, "disks", [{"name": "default", "type": "Local", "free_space": 60, "total_space": 100}])
        await stage(admin, "errors", [])
        await stage(
            admin, "metrics", [{"metric": "ZooKeeperSession", "value": 0}, {"metric": "ReadonlyReplica", "value": 1}]
        )
        await stage(admin, "replicas", [
            {"database": "shop", "table": "orders", "is_readonly": 1, "is_session_expired": 1, "total_replicas": 3, "active_replicas": 1},
        ])  # fmt: skip
        readonly = Alert(
            source="alertmanager",
            name="ClickHouseReadonlyReplica",
            summary="ReadOnly replica occurred",
            starts_at=k.TAKEN,
        )
        report = await investigated(router, readonly, clickhouse=clickhouse_server(clickhouse.environ(), clock=now))
        assert (report.verdict, report.causes[0].code) == ("confirmed", "clickhouse.keeper.unavailable")
        assert report.causes[0].object.startswith("clickhouse/")
        assert found(report).keys() & {"keeper_lost", "read_only", "replica_away"} == {"keeper_lost"}

"""Which playbook of the Kubernetes families (and of their neighbours) an alert gets.

The alerts are worded after public rule sets: kubernetes-mixin and kube-prometheus, the autoscaling, CoreDNS, cert-manager and Argo CD mixins,
Strimzi, Redis and RabbitMQ rules, Gardener, OpenShift and AKS rules, Datadog, New Relic and Dynatrace monitors, Zabbix templates, and what teams
write themselves. A rule set is asked three times: as it is, with its name taken away, and by its words alone, because teams name alerts as
they like and messages lose their query on the way.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import Environment, TemplateSyntaxError
from jinja2.nodes import Const

from bot.investigation.investigator import Investigator
from bot.investigation.rehearsal import FixtureTools
from bot.playbooks.loader import load_library
from bot.playbooks.router import Choice, Router
from bot.playbooks.rows import alert_of
from bot.tools.evidence import Evidence


class Rule(NamedTuple):
    """One alert of a rule set. ``family`` is what it is about, "" for everything that must not get one of Kubernetes."""

    family: str
    name: str
    summary: str
    description: str = ""
    expr: str = ""


NODE, JOB, STORAGE, SCALING = "k8s.node", "k8s.job", "k8s.storage", "k8s.autoscaling"
RESOURCES, CONTROL, POD, WORKLOAD = "k8s.resources", "k8s.control-plane", "k8s.pod", "k8s.workload"

# fmt: off
RULES = [
    # -- kubernetes-mixin, as kube-prometheus ships it -----------------------------------------------------------------------------
    Rule(NODE, "KubeNodeNotReady", "Node is not ready.", "worker-7 has been unready for more than 15 minutes on cluster prod.", 'kube_node_status_condition{job="kube-state-metrics",condition="Ready",status="true"} == 0 and on (cluster, node) kube_node_spec_unschedulable == 0'),
    Rule(NODE, "KubeNodeUnreachable", "Node is unreachable.", "worker-7 is unreachable and some workloads may be rescheduled on cluster prod.", '(kube_node_spec_taint{key="node.kubernetes.io/unreachable",effect="NoSchedule"} unless ignoring(key,value) kube_node_spec_taint{key=~"ToBeDeletedByClusterAutoscaler"}) == 1'),
    Rule(NODE, "KubeletTooManyPods", "Kubelet is running at capacity.", "Kubelet 'worker-7' is running at 96% of its Pod capacity on cluster prod.", '(max by (cluster, instance) (kubelet_running_pods{job="kubelet"} > 1) * on (cluster, instance) group_left(node) max by (cluster, instance, node) (kubelet_node_name)) / on (cluster, node) group_left() max by (cluster, node) (kube_node_status_capacity{resource="pods"} != 1) > 0.95'),
    Rule(NODE, "KubeNodeReadinessFlapping", "Node readiness status is flapping.", "The readiness status of node worker-7 has changed 6 times in the last 15 minutes on cluster prod.", 'sum(changes(kube_node_status_condition{status="true",condition="Ready"}[15m])) by (cluster, node) > 2'),
    Rule(NODE, "KubeNodePressure", "Node has as active Condition.", "worker-7 on cluster prod has active Condition MemoryPressure. This is caused by resource usage exceeding eviction thresholds.", 'kube_node_status_condition{condition=~"(MemoryPressure|DiskPressure|PIDPressure)",status="true"} == 1'),
    Rule(NODE, "KubeNodeEviction", "Node is evicting pods.", "Node worker-7 on prod is evicting Pods due to memory.available. Eviction occurs when eviction thresholds are crossed, typically caused by Pods exceeding RAM/ephemeral-storage limits.", 'sum(rate(kubelet_evictions{job="kubelet"}[15m])) by (cluster, eviction_signal, instance) > 0'),
    Rule(NODE, "KubeletPlegDurationHigh", "Kubelet Pod Lifecycle Event Generator is taking too long to relist.", "The Kubelet Pod Lifecycle Event Generator has a 99th percentile duration of 12 seconds on node worker-7.", 'node_quantile:kubelet_pleg_relist_duration_seconds:histogram_quantile{quantile="0.99"} >= 10'),
    Rule(NODE, "KubeletPodStartUpLatencyHigh", "Kubelet Pod startup latency is too high.", "Kubelet Pod startup 99th percentile latency is 80 seconds on node worker-7.", "histogram_quantile(0.99, sum(rate(kubelet_pod_worker_duration_seconds_bucket[5m])) by (instance, le)) * on(instance) group_left(node) kubelet_node_name > 60"),
    Rule(NODE, "KubeletClientCertificateExpiration", "Kubelet client certificate is about to expire.", "Client certificate for Kubelet on node worker-7 expires in 3d 2h on cluster prod.", "kubelet_certificate_manager_client_ttl_seconds < 604800"),
    Rule(NODE, "KubeletServerCertificateRenewalErrors", "Kubelet has failed to renew its server certificate.", "Kubelet on node worker-7 has failed to renew its server certificate (4 errors in the last 5 minutes).", "increase(kubelet_server_expiration_renew_errors[5m]) > 0"),
    Rule(NODE, "KubeletDown", "Target disappeared from Prometheus target discovery.", "Kubelet has disappeared from Prometheus target discovery.", 'absent(up{job="kubelet", metrics_path="/metrics"} == 1)'),
    Rule(JOB, "KubeJobFailed", "Job failed to complete.", "Job shop/ledger-export-29301 failed to complete. Removing failed job after investigation should clear this alert.", 'kube_job_failed{job="kube-state-metrics"} > 0'),
    Rule(JOB, "KubeJobNotCompleted", "Job did not complete in time", "Job shop/ledger-export-29301 is taking more than 12h to complete on cluster prod.", 'time() - max by (namespace, job_name, cluster) (kube_job_status_start_time{job="kube-state-metrics"} and kube_job_status_active > 0) > 43200'),
    Rule(STORAGE, "KubePersistentVolumeFillingUp", "PersistentVolume is filling up.", "Based on recent sampling, the PersistentVolume claimed by data-ledger-0 in Namespace shop on Cluster prod is expected to fill up within four days. Currently 9.8% is available.", "(kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes) < 0.15 and predict_linear(kubelet_volume_stats_available_bytes[6h], 4 * 24 * 3600) < 0"),
    Rule(STORAGE, "KubePersistentVolumeInodesFillingUp", "PersistentVolumeInodes are filling up.", "The PersistentVolume claimed by data-ledger-0 in Namespace shop only has 2.1% free inodes.", "(kubelet_volume_stats_inodes_free / kubelet_volume_stats_inodes) < 0.03"),
    Rule(STORAGE, "KubePersistentVolumeErrors", "PersistentVolume is having issues with provisioning.", "The persistent volume pv-7 on cluster prod has status Failed.", 'kube_persistentvolume_status_phase{phase=~"Failed|Pending"} > 0'),
    Rule(SCALING, "KubeHpaReplicasMismatch", "HPA has not matched desired number of replicas.", "HPA shop/checkout has not matched the desired number of replicas for longer than 15 minutes.", "(kube_horizontalpodautoscaler_status_desired_replicas != kube_horizontalpodautoscaler_status_current_replicas) and changes(kube_horizontalpodautoscaler_status_current_replicas[15m]) == 0"),
    Rule(SCALING, "KubeHpaMaxedOut", "HPA is running at max replicas", "HPA shop/checkout has been running at max replicas for longer than 15 minutes.", "kube_horizontalpodautoscaler_status_current_replicas == kube_horizontalpodautoscaler_spec_max_replicas"),
    Rule(RESOURCES, "KubeCPUOvercommit", "Cluster has overcommitted CPU resource requests.", "Cluster prod has overcommitted CPU resource requests for Pods by 3.2 CPU shares and cannot tolerate node failure.", 'sum(namespace_cpu:kube_pod_container_resource_requests:sum) by (cluster) - 0.95 * sum(kube_node_status_allocatable{resource="cpu"}) by (cluster) > 0'),
    Rule(RESOURCES, "KubeMemoryOvercommit", "Cluster has overcommitted memory resource requests.", "Cluster prod has overcommitted memory resource requests for Pods by 9 bytes and cannot tolerate node failure.", 'sum(namespace_memory:kube_pod_container_resource_requests:sum) - (sum(kube_node_status_allocatable{resource="memory"}) - max(kube_node_status_allocatable{resource="memory"})) > 0'),
    Rule(RESOURCES, "KubeCPUQuotaOvercommit", "Cluster has overcommitted CPU resource requests.", "Cluster prod has overcommitted CPU resource requests for Namespaces.", 'sum(min without(resource) (kube_resourcequota{type="hard", resource=~"(cpu|requests.cpu)"})) / sum(kube_node_status_allocatable{resource="cpu"}) > 1.5'),
    Rule(RESOURCES, "KubeQuotaAlmostFull", "Namespace quota is going to be full.", "Namespace shop is using 92% of its limits.memory quota.", 'kube_resourcequota{type="used"} / ignoring(instance, job, type) (kube_resourcequota{type="hard"} > 0) > 0.9 < 1'),
    Rule(RESOURCES, "KubeQuotaExceeded", "Namespace quota has exceeded the limits.", "Namespace shop is using 104% of its requests.cpu quota.", 'kube_resourcequota{type="used"} / ignoring(instance, job, type) (kube_resourcequota{type="hard"} > 0) > 1'),
    Rule(RESOURCES, "CPUThrottlingHigh", "Processes experience elevated CPU throttling.", "62% throttling of CPU in namespace shop for container checkout in pod checkout-85b799d88c-btngs.", 'sum(increase(container_cpu_cfs_throttled_periods_total{container!=""}[5m])) by (container, pod, namespace) / sum(increase(container_cpu_cfs_periods_total[5m])) by (container, pod, namespace) > 0.25'),
    Rule(CONTROL, "KubeVersionMismatch", "Different semantic versions of Kubernetes components running.", "There are 2 different semantic versions of Kubernetes components running.", 'count(count by (git_version) (label_replace(kubernetes_build_info{job!~"kube-dns|coredns"},"git_version","$1","git_version","(v[0-9]*.[0-9]*).*"))) > 1'),
    Rule(CONTROL, "KubeClientErrors", "Kubernetes API server client is experiencing errors.", "Kubernetes API server client 'kubelet/10.0.0.7:10250' is experiencing 3% errors.", '(sum(rate(rest_client_requests_total{code=~"5.."}[5m])) by (instance, job) / sum(rate(rest_client_requests_total[5m])) by (instance, job)) > 0.01'),
    Rule(CONTROL, "KubeAPIErrorBudgetBurn", "The API server is burning too much error budget.", "The API server is burning too much error budget on cluster prod.", "sum by(cluster) (apiserver_request:burnrate1h) > (14.40 * 0.01000)"),
    Rule(CONTROL, "KubeClientCertificateExpiration", "Client certificate is about to expire.", "A client certificate used to authenticate to kubernetes apiserver is expiring in less than 7.0 days.", "histogram_quantile(0.01, sum without (namespace, service, endpoint) (rate(apiserver_client_certificate_expiration_seconds_bucket[5m]))) < 604800"),
    Rule(CONTROL, "KubeAggregatedAPIErrors", "Kubernetes aggregated API has reported errors.", "Kubernetes aggregated API kube-system/v1beta1.metrics.k8s.io has reported errors. It has appeared unavailable 5 times averaged over the past 10m.", "sum by(name, namespace)(increase(aggregator_unavailable_apiservice_total[10m])) > 4"),
    Rule(CONTROL, "KubeAPITerminatedRequests", "The kubernetes apiserver has terminated 22% of its incoming requests.", "", "sum(rate(apiserver_request_terminations_total[10m])) / (sum(rate(apiserver_request_total[10m])) + sum(rate(apiserver_request_terminations_total[10m]))) > 0.20"),
    Rule(CONTROL, "KubeSchedulerDown", "Target disappeared from Prometheus target discovery.", "KubeScheduler has disappeared from Prometheus target discovery.", 'absent(up{job="kube-scheduler"} == 1)'),
    Rule(CONTROL, "KubeControllerManagerDown", "Target disappeared from Prometheus target discovery.", "KubeControllerManager has disappeared from Prometheus target discovery.", 'absent(up{job="kube-controller-manager"} == 1)'),
    Rule(CONTROL, "KubeProxyDown", "Target disappeared from Prometheus target discovery.", "KubeProxy has disappeared from Prometheus target discovery.", 'absent(up{job="kube-proxy"} == 1)'),
    Rule(CONTROL, "KubeStateMetricsListErrors", "kube-state-metrics is experiencing errors in list operations.", "kube-state-metrics is experiencing errors at an elevated rate in list operations. This is likely causing it to not be able to expose metrics about Kubernetes objects correctly or at all.", '(sum(rate(kube_state_metrics_list_total{result="error"}[5m])) / sum(rate(kube_state_metrics_list_total[5m]))) > 0.01'),
    Rule(POD, "KubePodCrashLooping", "Pod is crash looping.", 'Pod shop/checkout-85b799d88c-btngs (checkout) is in waiting state (reason: "CrashLoopBackOff") on cluster prod.', 'max_over_time(kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff"}[5m]) >= 1'),
    Rule(POD, "KubePodNotReady", "Pod has been in a non-ready state for more than 15 minutes.", "Pod shop/checkout-85b799d88c-btngs has been in a non-ready state for longer than 15 minutes on cluster prod.", 'sum by (namespace, pod, cluster) (max by(namespace, pod, cluster) (kube_pod_status_phase{phase=~"Pending|Unknown"}) * on(namespace, pod, cluster) group_left(owner_kind) topk by(namespace, pod, cluster) (1, max by(namespace, pod, owner_kind, cluster) (kube_pod_owner{owner_kind!="Job"}))) > 0'),
    Rule(POD, "KubeContainerWaiting", "Pod container waiting longer than 1 hour", "pod/checkout-85b799d88c-btngs in namespace shop on container checkout has been in waiting state for longer than 1 hour.", "kube_pod_container_status_waiting_reason > 0"),
    Rule(WORKLOAD, "KubeDeploymentGenerationMismatch", "Deployment generation mismatch due to possible roll-back", "Deployment generation for shop/checkout does not match, this indicates that the Deployment has failed but has not been rolled back.", "kube_deployment_status_observed_generation != kube_deployment_metadata_generation"),
    Rule(WORKLOAD, "KubeDaemonSetMisScheduled", "DaemonSet pods are misscheduled.", "2 Pods of DaemonSet shop/agent are running where they are not supposed to run.", "kube_daemonset_status_number_misscheduled > 0"),
    Rule(WORKLOAD, "KubePdbNotEnoughHealthyPods", "PDB does not have enough healthy pods.", "PDB shop/checkout expects 2 more healthy pods. The desired number of healthy pods has not been met for at least 15m.", "(kube_poddisruptionbudget_status_desired_healthy - kube_poddisruptionbudget_status_current_healthy) > 0"),
    # -- older mixins, Gardener, OpenShift, AKS --------------------------------------------------------------------------------------
    Rule(STORAGE, "KubePersistentVolumeUsageCritical", "The PersistentVolume claimed by data-ledger-0 in Namespace shop is only 2% free.", "", "100 * kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes < 3"),
    Rule(STORAGE, "KubePersistentVolumeFullInFourDays", "Based on recent sampling, the PersistentVolume claimed by data-ledger-0 is expected to fill up within four days. Currently 9.10% is available.", "", "predict_linear(kubelet_volume_stats_available_bytes[30m], 4 * 24 * 3600) <= 0"),
    Rule(NODE, "KubeletTooManyOpenFileDescriptorsSeed", "Seed-kubelet (worker-7) is using 91% of the available file/socket descriptors. Kubelet could be under heavy load.", "", '100 * process_open_fds{job="kube-kubelet"} / process_max_fds > 80'),
    Rule(NODE, "K8SNodeOutOfDisk", "Node ran out of disk space.", "worker-7 has run out of disk space.", 'kube_node_status_condition{condition="OutOfDisk",status="true"} == 1'),
    Rule(NODE, "K8SNodeMemoryPressure", "Node is under memory pressure.", "worker-7 is under memory pressure.", 'kube_node_status_condition{condition="MemoryPressure",status="true"} == 1'),
    Rule(NODE, "KubernetesNodeManyNotReady", "Many (4) nodes are NotReady for more than an hour", "Many Nodes are NotReady", 'count(kube_node_status_condition{condition="Ready",status="true"} == 0) > 2'),
    Rule(NODE, "KubernetesManyKubeletsDown", "More than 4 Kubelets are DOWN.", "Many Kubelets are DOWN.", 'count(up{job=~".*kubelet"} == 0) > 4'),
    Rule(CONTROL, "K8SApiserverDown", "No API servers are reachable", "No API servers are reachable or all have disappeared from service discovery", 'absent(up{job="kube-apiserver"} == 1)'),
    Rule(CONTROL, "K8sCertificateExpiration", "Kubernetes has API clients with soon expiring certificates", "Some clients connect to kube-apiserver with certificate which expiring soon (less than 7 days) on node control-1.", 'sum(label_replace(rate(apiserver_client_certificate_expiration_seconds_bucket{le="604800"}[1m]) > 0, "component", "$1", "job", "(.*)")) by (component, node)'),
    Rule(CONTROL, "KubeAPIServerRestarted", "Kubernetes API server restarted", "Kubernetes API server on control-1 was restarted less than 5 minutes ago.", 'time() - process_start_time_seconds{job="kube-apiserver"} < 300'),
    Rule(CONTROL, "KubeSchedulerPendingPods", "Too many pending pods", "140 pods are pending scheduling for more than 10 minutes", 'scheduler_pending_pods{queue="active"} > 100'),
    Rule(WORKLOAD, "K8SDaemonSetsNotScheduled", "Daemonsets are not scheduled correctly", "A number of daemonsets are not scheduled.", "kube_daemonset_status_desired_number_scheduled - kube_daemonset_status_current_number_scheduled > 0"),
    Rule(RESOURCES, "KubeContainerAverageMemoryHigh", "Average memory usage per container is greater than 95%", "Average Memory usage of container checkout in pod checkout-1 of namespace shop is greater than 95%", 'avg by (namespace, controller, container) (container_memory_working_set_bytes{container!=""} / on (namespace, pod, container) group_left kube_pod_container_resource_limits{resource="memory"}) > 0.95'),
    # -- autoscaling mixin, home-made HPA rules --------------------------------------------------------------------------------------
    Rule(SCALING, "KarpenterCloudProviderErrors", "Karpenter has Cloud Provider Errors.", "The Karpenter provider aws with the controller nodeclaim.lifecycle has errors with the method Create.", "sum(increase(karpenter_cloudprovider_errors_total[5m])) by (provider, controller, method) > 0"),
    Rule(SCALING, "KarpenterNodepoolNearCapacity", "Karpenter Nodepool near capacity.", "The resource cpu in the Karpenter node pool general is nearing its limit.", "sum(karpenter_nodepools_usage) by (nodepool) / sum(karpenter_nodepools_limit) by (nodepool) * 100 > 75"),
    Rule(SCALING, "ClusterAutoscalerNodeCountNearCapacity", "Cluster Autoscaler Node Count near Capacity.", "The node count for the cluster autoscaler job is reaching max limit. Consider scaling node groups.", "sum(cluster_autoscaler_nodes_count) / sum(cluster_autoscaler_max_nodes_count) * 100 > 75"),
    Rule(SCALING, "KedaScaledObjectErrors", "Errors detected for KEDA scaled objects.", "KEDA scaled objects are experiencing errors. Check the scaled object checkout in the namespace shop.", "sum(increase(keda_scaled_object_errors_total[10m])) by (exported_namespace, scaledObject) > 0"),
    Rule(SCALING, "KedaScaledJobErrors", "Errors detected for KEDA scaled jobs.", "KEDA scaled jobs are experiencing errors. Check the scaled job export in the namespace shop.", "sum(increase(keda_scaled_job_errors_total[10m])) by (exported_namespace, scaledObject) > 0"),
    Rule(SCALING, "HPAAtMaxCapacity", "HPA reached maximum replicas", "HPA checkout has been at max capacity (10 replicas) for 5 minutes. Consider increasing maxReplicas", 'kube_hpa_status_current_replicas{hpa="checkout"} >= kube_hpa_spec_max_replicas{hpa="checkout"}'),
    Rule(SCALING, "AutoscalingLimitedTeamCheckout", "checkout cannot scale further", "The HorizontalPodAutoscaler of checkout is limited by its maximum", 'kube_horizontalpodautoscaler_status_condition{condition="ScalingLimited",status="true"} == 1'),
    # -- home-made rules about storage, jobs, quotas, nodes --------------------------------------------------------------------------
    Rule(STORAGE, "PVCUsageHigh", "PVC data-ledger-0 usage > 85%", "", "(kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes) > 0.85"),
    Rule(STORAGE, "PVCNearFull", "PVC shop/data-ledger-0 > 85% full", "", "kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes > 0.85"),
    Rule(STORAGE, "PVCRunningLow", "PVC running low on space", "PVC has less than 10% free space", "kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes * 100 < 10"),
    Rule(STORAGE, "PVCPendingTooLong", "PVC shop/data-ledger-0 stuck Pending", "", 'kube_persistentvolumeclaim_status_phase{phase="Pending"} > 0'),
    Rule(STORAGE, "PodVolumeDiskFull", "data-ledger-0: Disk usage above threshold", "Pod Volume shop/data-ledger-0 is above 90% usage (current value is: 93)", "kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes * 100 > 90"),
    Rule(STORAGE, "VolumeMountErrors", "Volumes cannot be mounted", "Volume operations fail: volumes could not be attached to pods of the cluster (csi driver ebs.csi.aws.com)", 'rate(storage_operation_duration_seconds_count{status="fail-unknown",operation_name="volume_mount"}[5m]) > 0'),
    Rule(JOB, "CronJobNotSucceeding", "CronJob ledger-export has not succeeded for 26 hours", "", "time() - max by (namespace, cronjob) (kube_cronjob_status_last_successful_time) > 26 * 3600"),
    Rule(JOB, "CronJobFailed", "Job shop/ledger-export-29301 failed", "Check logs: kubectl logs -n shop job/ledger-export-29301", 'kube_job_status_failed{namespace!=""} > 0'),
    Rule(JOB, "CronjobSuspendedOrFailing", "CronJob shop/ledger-export did not run", "", "changes(kube_cronjob_status_last_schedule_time[6h]) == 0"),
    Rule(JOB, "NightlyLedgerMissing", "Nightly cron job did not run", "No successful run of the ledger CronJob in namespace shop since yesterday", 'time() - kube_cronjob_status_last_successful_time{cronjob="ledger-export"} > 86400 * 2'),
    Rule(RESOURCES, "ResourceQuotaNearLimit", "Namespace shop quota near limit", "requests.cpu is at 91% of quota", '(kube_resourcequota{type="used"} / kube_resourcequota{type="hard"}) > 0.85'),
    Rule(RESOURCES, "ResourceQuotaApproachingLimit", "Resource quota limits.memory in shop above 85%", "", 'kube_resourcequota{type="used"} / kube_resourcequota{type="hard"} > 0.85'),
    Rule(RESOURCES, "ClusterCPURequestsHigh", "CPU requests of the cluster are above 90% of allocatable", "Pods may not be schedulable soon", 'sum(kube_pod_container_resource_requests{resource="cpu"}) / sum(kube_node_status_allocatable{resource="cpu"}) > 0.9'),
    Rule(NODE, "NodeNotReady", "Node worker-7 is NotReady", "Node has been NotReady for more than 2 minutes. Check its health.", 'kube_node_status_condition{condition="Ready",status="true"} == 0'),
    Rule(NODE, "NodeNotReadyTeam", "Kubernetes node not ready", "Node worker-7 is not ready", 'kube_node_status_condition{condition="Ready",status="true"} == 0'),
    Rule(NODE, "PLEGRelistDurationHigh", "PLEG relist duration p99 > 10s on worker-7", "Kubelet PLEG is stalling. Check DaemonSet resource consumption.", "histogram_quantile(0.99, rate(kubelet_pleg_relist_duration_seconds_bucket[5m])) > 10"),
    Rule(NODE, "NodeCordonedTooLong", "Node worker-7 is unschedulable", "Node worker-7 has been cordoned for more than a day", "kube_node_spec_unschedulable == 1"),
    Rule(NODE, "NodeUnschedulable", "Node Unschedulable", "", "kube_node_spec_unschedulable == 1"),
    Rule(NODE, "KubernetesNodeDown", "Kubernetes node down", "Node worker-7 has been down for more than 5 minutes", 'kube_node_status_condition{condition="Ready",status="true"} == 0'),
    Rule(NODE, "NodeDiskPressure", "Disk pressure on worker-7", "", 'kube_node_status_condition{condition="DiskPressure",status="true"} == 1'),
    Rule(NODE, "KubernetesNodeKernelDeadlock", "Node kernel has deadlock", "Permanent kernel deadlock on worker-7. Please drain and reboot node.", 'kube_node_status_kernel_deadlock{condition="true"} == 1'),
    Rule(JOB, "KubeJobStale", "Number of stale jobs older than six hours is greater than 0", "", "sum by(namespace,cluster)(kube_job_spec_completions) - sum by(namespace,cluster)(kube_job_status_succeeded) > 0"),
    Rule(POD, "PodsUnschedulable", "Pods of shop are unschedulable", "", "kube_pod_status_unschedulable > 0"),
    Rule(POD, "PodEvicted", "Pod shop/checkout-1 was evicted", "", 'kube_pod_status_reason{reason="Evicted"} > 0'),
    Rule(POD, "InitContainerStuck", "Init container of pod shop/checkout-1 is stuck", "", "kube_pod_init_container_status_waiting > 0"),
    Rule(WORKLOAD, "Deployment at 0 Replicas", "Deployment shop/checkout is currently having no pods running", "", "sum(kube_deployment_status_replicas) by (deployment, namespace) < 1"),
    Rule(STORAGE, "PersistentVolumeNearFull", "PV data-ledger-0 is 91% full", "", "(kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes) > 0.85"),
    Rule(STORAGE, "PersistentVolumeUsage", "Persistent volume usage is high", "Volume data-ledger-0 is 91% full", "kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes > 0.85"),
    Rule(STORAGE, "PersistentVolumeClaimPending", "PersistentVolumeClaim pending for data-ledger-0", "", 'kube_persistentvolumeclaim_status_phase{phase="Pending"} == 1'),
    Rule(JOB, "JobFailed", "Job shop/ledger-export-29301 has failed pods", "", "kube_job_status_failed > 0"),
    Rule(JOB, "JobStuck", "Job shop/ledger-export-29301 is running for 6 hours", "", "kube_job_status_active > 0 and on(job_name, namespace) (time() - kube_job_status_start_time) > 21600"),
    Rule(RESOURCES, "NamespaceQuotaNearLimit", "Namespace shop using > 80% of requests.cpu quota", "", 'kube_resourcequota{type="used"} / kube_resourcequota{type="hard"} > 0.8'),
    Rule(RESOURCES, "ContainerMemoryHigh", "Container shop/checkout-1/checkout high memory", "Container shop/checkout-1/checkout is using more than 85% of memory limit for more than 10 minutes.", 'container_memory_working_set_bytes / on(namespace,pod,container) kube_pod_container_resource_limits{resource="memory"} > 0.85'),
    Rule(CONTROL, "APIServerDown", "API server is unreachable", "", 'up{job="apiserver"} == 0'),
    # -- Datadog, New Relic, Zabbix ---------------------------------------------------------------------------------------------------
    Rule(POD, "[Kubernetes] Pod checkout-1 is CrashloopBackOff on namespace shop", "pod checkout-1 is in CrashloopBackOff on shop", "This alert could generate several alerts for a bad deployment.", "max(last_10m):max:kubernetes_state.container.status_report.count.waiting{reason:crashloopbackoff} by {kube_cluster_name,kube_namespace,pod_name} >= 1"),
    Rule(POD, "[Kubernetes] Pod checkout-1 is ImagePullBackOff on namespace shop", "pod checkout-1 is ImagePullBackOff on namespace shop", "", "max(last_10m):max:kubernetes_state.container.status_report.count.waiting{reason:imagepullbackoff} by {kube_namespace,pod_name} >= 1"),
    Rule(NODE, "[Kubernetes] Monitor Unschedulable Kubernetes Nodes", "More than 20% of nodes are unschedulable on prod cluster.", "Keep in mind that this might be expected based on your infrastructure.", "max(last_15m):sum:kubernetes_state.node.status{status:schedulable} by {kube_cluster_name} * 100 / sum:kubernetes_state.node.status{*} by {kube_cluster_name} < 80"),
    Rule(WORKLOAD, "[Kubernetes] Monitor Kubernetes Deployments Replica Pods", "More than one Deployments Replica's pods are down. Check the status of Deployment checkout in namespace shop: replicas unavailable", "", "avg(last_15m):avg:kubernetes_state.deployment.replicas_desired{*} by {kube_deployment} - avg:kubernetes_state.deployment.replicas_ready{*} by {kube_deployment} >= 2"),
    Rule(NODE, "Kubernetes Nodes - Node is not OK", "Node worker-7 is not OK", "", "avg(last_15m):avg:kubernetes_state.node.status{*} by {host} < 1"),
    Rule(SCALING, "Hpa Status", "HPA checkout is not able to scale", "", "max(last_5m):avg:kubernetes_state.hpa.condition{condition:abletoscale,status:false} by {hpa} > 0"),
    Rule(STORAGE, "Persistent Volumes", "Persistent volume in failed phase", "", "max(last_5m):avg:kubernetes_state.persistentvolume.by_phase{phase:failed} > 0"),
    Rule(JOB, "[Kubernetes] Job failed", "Kubernetes job ledger-export failed in namespace shop", "", "max(last_5m):sum:kubernetes_state.job.failed{*} by {kube_job} > 0"),
    Rule(POD, "Pod cannot be scheduled", "Pod cannot be scheduled for more than 5 minutes", "", "FROM K8sPodSample select latest(isScheduled) facet podName, namespaceName"),
    Rule(POD, "Container is Restarting", "Pod checkout-1: container restarted 4 times in 5 minutes", "", "from K8sContainerSample select sum(restartCountDelta) FACET containerName, podName"),
    Rule(WORKLOAD, "Statefulset replicas", "More than one replica of StatefulSet orders is down", "", "max(last_15m):sum:kubernetes_state.statefulset.replicas_desired{*} - sum:kubernetes_state.statefulset.replicas_ready{*} >= 2"),
    Rule(NODE, "Node is unschedulable", "Node has been marked as unschedulable", "", "from K8sNodeSample select latest(unschedulable) facet nodeName, clusterName"),
    Rule(POD, "Pod is not ready", "Pod is not ready for more than 5 minutes", "", "FROM K8sPodSample select latest(isReady) facet podName, namespaceName, clusterName"),
    Rule(STORAGE, "Volume usage", "Persistent volume usage of data-ledger-0 is above 90%", "", "FROM K8sVolumeSample select latest(fsUsedPercent) facet pvcName, namespaceName"),
    Rule(SCALING, "HPA current replicas", "HPA current replicas < desired replicas", "", "FROM K8sHpaSample select latest(desiredReplicas - currentReplicas) facet displayName"),
    Rule(STORAGE, "Kubernetes: NS [shop] PVC [data-ledger-0]: PVC is pending", "PVC is pending"),
    Rule(NODE, "Kubernetes: Node [worker-7] Conditions: MemoryPressure", "Node [worker-7]: memory pressure, the condition MemoryPressure is true"),
    Rule(CONTROL, "Kubernetes controller manager: Too many HTTP client errors", "Kubernetes Controller manager is experiencing high error rate (with 5xx HTTP code)."),
    Rule(CONTROL, "Kubernetes scheduler: Too many unschedulable pods", "Number of attempts to schedule pods with the result unschedulable is too high; Kubernetes scheduler problem"),
    Rule(JOB, "Kubernetes: Namespace [shop] Job [ledger-export-29301]: Job failed", "Kubernetes job ledger-export-29301 in namespace shop has failed"),
    # -- neighbours: certificates, DNS, queues and caches, deliveries ----------------------------------------------------------------
    Rule("certificate", "CertManagerCertExpirySoon", "The cert `checkout-tls` is 6d from expiry, it should have renewed over a week ago.", "", "avg by (exported_namespace, namespace, name) (certmanager_certificate_expiration_timestamp_seconds - time()) < (21 * 24 * 3600)"),
    Rule("certificate", "CertManagerCertNotReady", "The cert `checkout-tls` is not ready to serve traffic.", "", 'max by (name, condition) (certmanager_certificate_ready_status{condition!="True"} == 1)'),
    Rule("certificate", "SSLCertExpiringSoon", "SSL certificate for https://shop.example.com expires in 12 days", "", "probe_ssl_earliest_cert_expiry - time() < 86400 * 14"),
    Rule("certificate", "TLSHandshakeErrors", "TLS handshake errors on the ingress", "Clients fail with x509: certificate signed by unknown authority"),
    Rule("certificate", "ACM days to expiry", "The ACM certificate of shop.example.com expires in 20 days", "", "avg(last_1d):min:aws.certificatemanager.days_to_expiry{*} < 30"),
    Rule("dns", "CoreDNSDown", "CoreDNS has disappeared from Prometheus target discovery.", "", 'absent(up{job="kube-dns"} == 1)'),
    Rule("dns", "CoreDNSLatencyHigh", "CoreDNS has 99th percentile latency of 5 seconds for server dns://:53 zone . .", "", "histogram_quantile(0.99, sum(rate(coredns_dns_request_duration_seconds_bucket[5m])) by(server, zone, le)) > 4"),
    Rule("dns", "NodeLocalDNSSetupErrorsHigh", "There are iptables errors setting up Node Local DNS.", "", "rate(coredns_nodecache_setup_errors_total[5m]) > 0"),
    Rule("dns", "LookupsFail", "DNS lookups of payments.shop fail", "12% of name resolution attempts end with SERVFAIL"),
    Rule("queue", "KafkaUnderReplicatedPartitions", "Under-replicated Kafka partitions", "The number of under-replicated partitions in Kafka broker 1 is 4", "kafka_server_replicamanager_underreplicatedpartitions > 0"),
    Rule("queue", "UnderReplicatedPartitions", "Kafka under replicated partitions", "There are 4 under replicated partitions on orders-kafka-0", "kafka_server_replicamanager_underreplicatedpartitions > 0"),
    Rule("queue", "RabbitMQQueueGrowing", "Queue orders is growing", "RabbitMQ queue orders holds 90000 messages and has no consumers", "rabbitmq_queue_messages_ready > 10000"),
    Rule("queue", "RedisMemoryUtilHigh", "Redis Memory utilization high", "The sessions Redis cluster has consumed >90% of its available memory", "redis_memory_used_bytes / redis_memory_max_bytes * 100 > 90"),
    Rule("queue", "MemcachedEvictions", "Memcached evicts items", "", "rate(memcached_items_evicted_total[5m]) > 10"),
    Rule("queue", "DeadLetters", "Messages in the dead letter queue of orders", "", "aws_sqs_approximate_number_of_messages_visible_average > 0"),
    Rule("delivery", "ArgoCdAppOutOfSync", "An ArgoCD Application is Out Of Sync.", "The application https://kubernetes.default.svc/default/checkout is out of sync with the sync status OutOfSync for the past 15m.", 'sum(argocd_app_info{sync_status!="Synced"}) by (job, dest_server, project, name, sync_status) > 0'),
    Rule("delivery", "ArgoCdAppSyncFailed", "An ArgoCD Application has Failed to Sync.", "The application default/checkout has failed to sync with the status Failed the past 10m.", 'sum(round(increase(argocd_app_sync_total{phase!="Succeeded"}[10m]))) by (name, phase) > 0'),
    Rule("delivery", "ReconciliationFailure", "Flux HelmRelease checkout in namespace shop failed its reconciliation", "", 'gotk_reconcile_condition{type="Ready",status="False"} == 1'),
    Rule("delivery", "HelmReleaseStuck", "Helm release checkout is stuck", "helm upgrade of chart checkout failed: timed out waiting for the condition"),
]

# What must not get a playbook of Kubernetes, however near its words come.
OTHERS = [
    Rule("", "EtcdMembersDown", "etcd cluster members are down.", 'etcd cluster "etcd": members are down (1).', "max without (endpoint) (sum without (instance) (up{job=~\".*etcd.*\"} == bool 0)) > 0"),
    Rule("", "EtcdDatabaseQuotaLowSpace", "etcd database is running full.", "database size exceeds the defined quota on etcd instance 10.0.0.1", "(last_over_time(etcd_mvcc_db_total_size_in_bytes[5m]) / last_over_time(etcd_server_quota_backend_bytes[5m])) * 100 > 95"),
    Rule("", "PrometheusTSDBReloadsFailing", "Prometheus has issues reloading blocks from disk.", "Prometheus monitoring/prometheus-0 has detected 3 reload failures over the last 3h.",
         "increase(prometheus_tsdb_reloads_failures_total[3h]) > 0"),
    Rule("", "PrometheusRemoteStorageFailures", "Prometheus fails to send samples to remote storage.", "Prometheus monitoring/prometheus-0 failed to send 4% of the samples"),
    Rule("", "AlertmanagerClusterDown", "Half or more of the Alertmanager instances within the same cluster are down.", "", 'count by (namespace,service) (avg_over_time(up{job="alertmanager"}[5m]) < 0.5)'),
    Rule("", "TargetDown", "One or more targets are unreachable.", "25% of the kubernetes/shop targets in shop namespace are down.", "100 * (count(up == 0) BY (cluster, job, namespace, service) / count(up) BY (cluster, job, namespace, service)) > 10"),
    Rule("", "Watchdog", "An alert that should always be firing to certify that Alertmanager is working properly.", "", "vector(1)"),
    Rule("", "ElasticsearchHeapTooHigh", "Elasticsearch node heap usage is high", "The heap of node es-data-1 in cluster logs is over 90%", "elasticsearch_jvm_memory_used_bytes > 1"),
    Rule("", "CassandraNodeDown", "Cassandra node is down", "Node 10.1.2.3 of the ring is unreachable", "cassandra_endpoint_active < 1"),
    Rule("", "CephNodeDiskspaceWarning", "Host filesystem free space is getting low", "Mountpoint / on ceph-1 will be full in less than 5 days", ""),
    Rule("", "CephPoolQuotaBytesNearExhaustion", "Ceph pool quota bytes near exhaustion", "The pool data will soon reach its quota", "ceph_pool_stored_raw / ceph_pool_quota_bytes > 0.8"),
    Rule("", "VaultSealed", "Vault is sealed", "Vault instance vault-0 is sealed", "vault_core_unsealed == 0"),
    Rule("", "NomadJobFailed", "Nomad job failed", "Nomad job ledger-export has failed allocations", "nomad_nomad_job_summary_failed > 0"),
    Rule("", "SparkJobFailed", "Spark job failed", "The Spark job ledger-etl did not complete", "spark_job_failed > 0"),
    Rule("", "FlinkJobRestarting", "Flink job is restarting", "Flink job ledger-stream restarts too often", "flink_jobmanager_job_numRestarts > 3"),
    Rule("", "JenkinsJobFailing", "Jenkins job deploy-checkout fails", "The last 3 builds of job deploy-checkout failed", "jenkins_job_last_result == 0"),
    Rule("", "GlueJobFailed", "AWS Glue job ledger-etl failed", "The Glue job did not finish", "aws_glue_driver_aggregate_num_failed_tasks_sum > 0"),
    Rule("", "GitLabPipelineFailed", "Pipeline of shop/checkout failed", "The job build of the pipeline failed"),
    Rule("", "VeleroBackupFailed", "Velero backup nightly failed", "", "increase(velero_backup_failure_total[1h]) > 0"),
    Rule("", "PostgresReplicationLag", "Replication lag of node pg-2 is 90 s", "", "pg_replication_lag > 60"),
    Rule("", "GaleraNodeNotReady", "Galera node not ready", "Galera cluster node db-2 is not ready", "mysql_global_status_wsrep_ready != 1"),
    Rule("", "OpenStackVolumeQuota", "Tenant shop has used over 90% of its volume storage quota", "", "openstack_cinder_limits_volume_used_gb > 1"),
    Rule("", "CloudWatchVolumeQueue", "EBS volume vol-1 queue length is high", "", "aws_ebs_volume_queue_length_average > 10"),
    Rule("", "EnvoyUpstreamRejects", "Envoy rejects requests to upstream checkout", "", "envoy_cluster_upstream_rq_pending_overflow > 0"),
    Rule("", "CiliumAgentKubernetesClientErrors", "Cilium agent Kubernetes client errors", "Cilium agent cilium-1 is receiving errors from K8s API for endpoint pods",
         'sum(rate(cilium_k8s_client_api_calls_total{return_code!~"2.."}[5m])) by (pod) > 0.05'),
    Rule("", "HTTPErrorBudgetBurn", "Checkout burns its error budget", "The API of checkout answers 4% of its requests with errors", 'sum(rate(http_requests_total{code=~"5.."}[5m])) > 1'),
    Rule("", "JVMHeapHigh", "JVM heap of checkout is at 95%", "", "jvm_memory_used_bytes / jvm_memory_max_bytes > 0.95"),
    Rule("", "SidekiqJobsStuck", "Sidekiq jobs are stuck", "Jobs of the queue mail did not start for 10 minutes", "sidekiq_queue_latency_seconds > 600"),
    Rule("", "ContainerKilled", "Container killed", "A container has disappeared", "time() - container_last_seen > 60"),
    Rule("", "ProxmoxNodeDown", "PVE node down", "Proxmox VE node pve-1 is down", 'pve_up{id=~"node/.*"} == 0'),
    Rule("", "APIServerDown", "The API server of the shop is down", "api-7 does not answer", 'up{job="shop-api"} == 0'),
    Rule("", "SnapshotControllerLag", "Backup of the ledger is 3 days old", "No successful backup job since Tuesday"),
]
# fmt: on


@pytest.fixture(scope="module")
def router() -> Router:
    return Router(load_library())


def family(router: Router, rule: Rule, view: str) -> tuple[str, str]:
    """(family, playbook and why) of one rule in one view: "full", "masked" (no name), "text" (no name, no query)."""
    row = {
        "name": rule.name if view == "full" else "TeamAlert42",
        "summary": rule.summary,
        "description": rule.description,
    }
    if view != "text":
        row["expr"] = rule.expr
    choice = router.choose(alert_of(row))
    return choice.playbook.family, f"{choice.playbook.id}: {choice.because}"


@pytest.mark.parametrize(("view", "share"), [("full", 1.0), ("masked", 0.97), ("text", 0.93)])
def test_a_rule_of_any_team_reaches_its_family(router: Router, view: str, share: float) -> None:
    found = [(rule, *family(router, rule, view)) for rule in RULES]
    wrong = [f"{rule.name} ({rule.family}) -> {why}" for rule, got, why in found if got != rule.family]
    assert len(found) >= 60
    assert 1 - len(wrong) / len(found) >= share, "\n".join(wrong)


@pytest.mark.parametrize("view", ["full", "masked", "text"])
def test_alerts_of_other_systems_get_no_playbook_of_kubernetes(router: Router, view: str) -> None:
    found = [(rule, *family(router, rule, view)) for rule in OTHERS]
    assert [f"{rule.name} -> {why}" for rule, got, why in found if got.startswith("k8s.")] == []


def texts(value: Any) -> Iterator[str]:
    """Every text inside of a playbook."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def test_no_word_boundary_of_an_expression_became_a_backspace(router: Router) -> None:
    """``"search('\\\\b')"`` in YAML's double quotes reaches the expression as one backslash, and there it means another character."""
    reader = Environment(autoescape=True)
    for playbook in router.library.playbooks.values():
        for text in {t for t in texts(playbook.model_dump(exclude={"tests"})) if "\\" in t}:
            for source in (text, "{{ " + text + " }}"):
                try:
                    found = list(reader.parse(source).find_all(Const))
                except TemplateSyntaxError:
                    continue  # a pattern, or the other of the two readings
                assert not [c.value for c in found if isinstance(c.value, str) and "\b" in c.value], (
                    f"{playbook.id}: {text}"
                )


class Listener(FixtureTools):
    """Servers that know nothing and remember what they were asked."""

    def __init__(self) -> None:
        super().__init__({"kubernetes.none": {}, "signoz.none": {}}, lambda tool: None)
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    async def call(self, tool: str, arguments: Mapping[str, Any], **more: Any) -> Evidence:
        self.asked.append((tool, arguments))
        return await super().call(tool, arguments, **more)


NAMED_BY_LABELS = (
    "volume-filling-up",
    "volume-not-bound",
    "autoscaler-limits",
    "job-failed",
    "certificate",
    "deployment-gone-wrong",
    "queue-or-cache",
)
WORDS = st.text(max_size=40) | st.sampled_from(
    ["x; rm -rf /", "a b", "../../etc", "data-0\nalert", "`id`", "$(id)", "{{ alert }}", "UPPER", "-x", "a" * 300]
)
LABELS = (
    "persistentvolumeclaim",
    "horizontalpodautoscaler",
    "job_name",
    "cronjob",
    "name",
    "exported_namespace",
    "consumergroup",
    "kind",
    "dest_namespace",
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.sampled_from(NAMED_BY_LABELS), labels=st.dictionaries(st.sampled_from(LABELS), WORDS), said=WORDS)
async def test_what_a_label_says_reaches_a_tool_only_in_the_shape_of_a_name(
    router: Router, chosen: str, labels: dict[str, str], said: str
) -> None:
    playbook = router.library.get(chosen)
    assert playbook is not None
    alert = alert_of({"name": "TeamAlert", "summary": f"certificate of HPA {said} and PVC {said}", "labels": labels})
    tools = Listener()
    report = await Investigator(tools, lambda alert, pin: Choice(playbook, "pin", "test")).investigate(
        alert, investigation="test"
    )
    assert report.verdict != "confirmed"
    for tool, arguments in tools.asked:
        for key, value in arguments.items():
            if isinstance(value, str) and key in ("object", "namespace", "name", "pod_name", "target"):
                assert re.fullmatch(r"([A-Za-z]{1,63}/)?[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", value), (
                    tool,
                    key,
                    value,
                )

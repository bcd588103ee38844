"""Faults in who reaches whom, and in what there is room for, that the checks must find."""

from tests.chart.planting import REMOVED, Plant, with_more
from tests.chart.plants_pods import AUTH, GATEWAY, MAIN, MODEL, env

NGINX = "Ingress/headrace metadata annotations nginx.ingress.kubernetes.io/"
SIDECAR = "Sidecar/headrace-gateway spec egress 0 hosts"

CONNECTIONS = (
    Plant(
        "calls_may_leave",
        "NetworkPolicy/headrace-gateway spec egress",
        lambda rules: [rule for rule in rules if "auth" not in str(rule)],
        "Deployment/headrace-gateway: may not call auth",
    ),
    Plant(
        "calls_may_leave",
        "NetworkPolicy/headrace-auth spec egress",
        lambda rules: [{**rule, "ports": [{"port": 9001}]} for rule in rules],
        "Deployment/headrace-auth: may not call audit",
    ),
    Plant(
        "proxies_know_whom_they_call",
        SIDECAR,
        lambda hosts: [host for host in hosts if "cache" not in host],
        "does not know headrace-cache",
    ),
    Plant(
        "proxies_know_services_that_exist",
        SIDECAR,
        with_more("./headrace-oauth.headrace.svc.cluster.local"),
        "no Service ./headrace-oauth",
    ),
    Plant(
        "virtual_services_are_of_services",
        "VirtualService/headrace-auth spec hosts 0",
        "headrace-oauth",
        "no Service headrace-oauth",
    ),
    Plant(
        "the_public_comes_in",
        "NetworkPolicy/headrace-gateway spec ingress",
        [],
        "the network lets nobody in",
        "no-mesh",
    ),
    Plant(
        "the_public_comes_in",
        "AuthorizationPolicy/headrace-gateway",
        REMOVED,
        "the mesh lets nobody in",
    ),
    Plant(
        "metrics_can_be_read",
        "NetworkPolicy/headrace-auth spec ingress",
        lambda rules: [rule for rule in rules if "metrics" not in str(rule)],
        "the network keeps its metrics",
    ),
    Plant(
        "metrics_can_be_read",
        "Deployment/headrace-auth spec template metadata annotations",
        {},
        "the mesh keeps its metrics",
    ),
    Plant(
        "an_ingress_lets_streams_live",
        f"{NGINX}proxy-read-timeout",
        "60",
        "cuts streams",
        "no-mesh",
    ),
    Plant("an_ingress_lets_streams_live", f"{NGINX}proxy-buffering", REMOVED, "back", "no-mesh"),
    Plant(
        "an_ingress_lets_streams_live",
        f"{NGINX}proxy-next-upstream",
        "error timeout http_502",
        "repeats requests",
        "no-mesh",
    ),
)

TOLD = (
    Plant(
        "secrets_come_from_secrets",
        f"{AUTH} {MAIN} env",
        with_more(env("HEADRACE_AUTH_SMTP_PASSWORD", "x")),
        "HEADRACE_AUTH_SMTP_PASSWORD is in plain text",
    ),
    Plant(
        "environments_are_their_own",
        f"{AUTH} enableServiceLinks",
        REMOVED,
        "names that look like settings",
    ),
    Plant(
        "schemas_are_changed_by_migrations",
        "Job/headrace-audit-migration",
        REMOVED,
        "Deployment/headrace-audit: migrate_on_start is False",
    ),
)

CAPACITY = (
    Plant(
        "spools_fit_their_volumes",
        f"{GATEWAY} volumes 1 emptyDir sizeLimit",
        "256Mi",
        "its spool is 268435456 bytes",
    ),
    Plant(
        "disks_hold_their_volumes",
        f"{GATEWAY} volumes 1 emptyDir sizeLimit",
        "2Gi",
        "volumes of",
    ),
    Plant(
        "models_are_where_servers_look",
        f"{MODEL} initContainers 0 command",
        lambda words: [each.replace("current", "newest") for each in words],
        "newest",
    ),
    Plant(
        "models_are_where_servers_look",
        f"{MODEL} initContainers 0 volumeMounts 1 name",
        "tmp",
        "on another volume",
    ),
    Plant("pods_are_spread", f"{AUTH} topologySpreadConstraints", [], "one zone"),
    Plant(
        "pods_are_spread",
        f"{AUTH} topologySpreadConstraints 0 matchLabelKeys",
        REMOVED,
        "old pods count",
    ),
    Plant("quotas_have_room_for_all", "ResourceQuota/headrace spec hard pods", "50", "pods is 50"),
    Plant(
        "quotas_have_room_for_all",
        "ResourceQuota/headrace spec hard requests.cpu",
        "20",
        "requests.cpu is 20",
    ),
    Plant(
        "mounts_are_absolute", f"{GATEWAY} {MAIN} volumeMounts 1 mountPath", "/tmp", "mounted over"
    ),
)
PLANTS = (*CONNECTIONS, *TOLD, *CAPACITY)

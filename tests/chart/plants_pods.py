"""Faults in pods that the checks must find: their lives, what they are told, and their rights."""

from tests.chart.planting import REMOVED, Plant, with_fields, with_more

AUTH = "Deployment/headrace-auth spec template spec"
GATEWAY = "Deployment/headrace-gateway spec template spec"
MODEL = "Deployment/headrace-inference-smollm2-135m spec template spec"
MAIN = "containers 0"


def env(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


LIFECYCLE = (
    Plant("pods_have_time_to_end", f"{AUTH} terminationGracePeriodSeconds", 39, "may need 40"),
    Plant("pods_have_time_to_end", f"{AUTH} terminationGracePeriodSeconds", REMOVED, "after 30 s"),
    Plant(
        "pods_have_time_to_end",
        f"{MODEL} {MAIN} env",
        lambda there: (
            [each for each in there if "DRAIN" not in each["name"]]
            + [env("HEADRACE_INFERENCE_DRAIN_SECONDS", "316")]
        ),
        "may need 346",
    ),
    Plant(
        "streams_may_end",
        f"{GATEWAY} {MAIN} env",
        lambda there: [env("HEADRACE_GATEWAY_DRAIN_SECONDS", "290"), *there],
        "drains for 290 s",
    ),
    Plant(
        "pods_leave_the_mesh_first",
        f"{AUTH} {MAIN} lifecycle preStop",
        {"exec": {"command": ["sleep", "5"]}},
        "is not a sleep",
    ),
    Plant(
        "pods_leave_the_mesh_first",
        f"{GATEWAY} {MAIN} lifecycle preStop sleep seconds",
        5,
        "only 5 s",
    ),
    Plant("pods_are_watched", f"{AUTH} {MAIN} startupProbe", REMOVED, "has no startup probe"),
    Plant(
        "pods_are_watched", f"{AUTH} {MAIN} livenessProbe failureThreshold", 3, "liveness probe is"
    ),
    Plant(
        "probes_ask_what_is_answered",
        f"{AUTH} {MAIN} livenessProbe grpc",
        {"port": 9000},
        "liveness",
    ),
    Plant(
        "probes_ask_what_is_answered",
        f"{GATEWAY} {MAIN} readinessProbe httpGet path",
        "/healthz",
        "readiness probe asks something",
    ),
    Plant(
        "sidecars_drain_one_way",
        "Deployment/headrace-auth spec template metadata annotations proxy.istio.io/config",
        "terminationDrainDuration: 5s\nproxyMetadata: {EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true'}",
        "terminationDrainDuration",
    ),
)

ENVIRONMENT = (
    Plant(
        "settings_exist",
        f"{AUTH} {MAIN} env",
        with_more(env("HEADRACE_AUTH_POOLSIZE", "9")),
        "HEADRACE_AUTH_POOLSIZE is no setting of auth",
    ),
    Plant(
        "settings_exist",
        f"{AUTH} {MAIN} env",
        with_more(env("HEADRACE_CACHE_LOG_LEVEL", "INFO")),
        "is no setting of auth",
    ),
    Plant(
        "settings_exist", f"{AUTH} {MAIN} env", lambda there: [*there, there[0]], "is told twice"
    ),
    Plant(
        "settings_are_valid",
        f"{AUTH} {MAIN} env",
        with_more(env("HEADRACE_AUTH_POOL_SIZE", "0")),
        "pool_size: Input should be greater than or equal to 1",
    ),
    Plant(
        "settings_are_valid",
        f"{GATEWAY} {MAIN} env",
        lambda there: [each for each in there if not each["name"].endswith("AUTH_TARGET")],
        "auth_target: Field required",
    ),
    Plant(
        "settings_are_valid",
        f"{MODEL} {MAIN} env",
        with_more(env("HEADRACE_INFERENCE_LORA_ADAPTERS", "{")),
        "lora_adapters",
    ),
    Plant(
        "services_listen_where_they_are_called",
        f"{AUTH} {MAIN} ports 0 containerPort",
        9001,
        "grpc_address is 0.0.0.0:9000, port 9001",
    ),
    Plant(
        "services_listen_where_they_are_called",
        f"{AUTH} {MAIN} env",
        with_more(env("HEADRACE_AUTH_GRPC_ADDRESS", "127.0.0.1:9000")),
        "127.0.0.1:9000",
    ),
    Plant(
        "services_run_for_production",
        f"{AUTH} {MAIN} env",
        with_more(env("HEADRACE_AUTH_ENVIRONMENT", "development")),
        "environment is development",
    ),
    Plant(
        "paths_are_mounted",
        f"{GATEWAY} {MAIN} volumeMounts 1 mountPath",
        "/var/spool",
        "spool_directory /var/lib/headrace/spool is on no volume",
    ),
    Plant(
        "paths_are_mounted",
        f"{GATEWAY} {MAIN} volumeMounts 1",
        with_fields(readOnly=True),
        "cannot be written",
    ),
)

ROUTES = "ConfigMap/headrace-routes data routes.yaml"
ROUTING = (
    Plant("routes_can_be_read", ROUTES, "models:\n  a: [{target: []}]", "routes.yaml:2"),
    Plant("routes_can_be_read", "ConfigMap/headrace-routes data", {}, "no ConfigMap has"),
    Plant(
        "labelled_services_are_targets",
        "Service/headrace-inference-chat-v1-stable metadata labels headrace.dev/weight",
        "many",
        "headrace.dev/weight",
        "multi-model",
    ),
    Plant(
        "routes_lead_to_servers",
        ROUTES,
        lambda text: text.replace(":9000", ":9001"),
        "no Service answers",
    ),
    Plant(
        "routes_lead_to_servers",
        ROUTES,
        lambda text: text.replace("headrace-inference", "inference"),
        "no Service answers",
    ),
    Plant(
        "routes_lead_to_servers",
        ROUTES,
        lambda text: text.replace('"smollm2-135m-instruct"', "smollm3"),
        "not smollm3",
    ),
    Plant(
        "every_model_has_a_route",
        ROUTES,
        lambda text: text.replace('"smollm2-135m-instruct"', "smollm3"),
        "no route for smollm2-135m-instruct",
    ),
    Plant(
        "guard_policies_can_be_read",
        "ConfigMap/headrace-guard-policies data policies.yaml",
        lambda text: text.replace("detector: email", "detector: mail"),
        "policies.yaml:",
    ),
)

SECURITY = (
    Plant("pods_are_restricted", AUTH, with_fields(hostNetwork=True), "hostNetwork is on"),
    Plant(
        "pods_are_restricted",
        f"{AUTH} volumes",
        with_more({"name": "h", "hostPath": {"path": "/"}}),
        "volume h is of a kind",
    ),
    Plant(
        "containers_are_restricted",
        f"{AUTH} {MAIN} securityContext allowPrivilegeEscalation",
        REMOVED,
        "allowPrivilegeEscalation",
    ),
    Plant(
        "containers_are_restricted",
        f"{AUTH} {MAIN} securityContext capabilities drop",
        ["NET_RAW"],
        "keeps capabilities",
    ),
    Plant(
        "containers_are_restricted",
        f"{AUTH} {MAIN} securityContext capabilities",
        with_fields(add=["SYS_ADMIN"]),
        "SYS_ADMIN",
    ),
    Plant(
        "containers_are_restricted", f"{AUTH} securityContext runAsNonRoot", REMOVED, "runAsNonRoot"
    ),
    Plant(
        "containers_are_restricted",
        f"{AUTH} securityContext seccompProfile",
        REMOVED,
        "no seccompProfile",
    ),
    Plant(
        "containers_are_restricted",
        f"{MODEL} initContainers 0 securityContext",
        with_fields(privileged=True),
        "is privileged",
    ),
    Plant(
        "containers_are_restricted",
        f"{AUTH} {MAIN} ports 0",
        with_fields(hostPort=9000),
        "takes port 9000",
    ),
    Plant(
        "containers_cannot_change_themselves",
        f"{AUTH} {MAIN} securityContext readOnlyRootFilesystem",
        REMOVED,
        "can be written",
    ),
    Plant(
        "containers_cannot_change_themselves", f"{AUTH} securityContext runAsUser", 0, "as user 0"
    ),
    Plant(
        "containers_cannot_change_themselves",
        f"{AUTH} securityContext runAsUser",
        1337,
        "user 1337",
    ),
    Plant("images_have_versions", f"{AUTH} {MAIN} image", "ghcr.io/a/b:latest", "b:latest"),
    Plant("images_have_versions", f"{AUTH} {MAIN} image", "ghcr.io/a/b", "ghcr.io/a/b"),
    Plant("resources_are_bounded", f"{AUTH} {MAIN} resources limits", {}, "no limit of memory"),
    Plant(
        "resources_are_bounded",
        f"{AUTH} {MAIN} resources requests memory",
        "9Gi",
        "requests more memory than its limit",
    ),
    Plant("resources_are_bounded", f"{AUTH} volumes 0 emptyDir", {}, "may fill the node's disk"),
    Plant(
        "quantities_are_quantities",
        f"{AUTH} {MAIN} resources limits memory",
        "640MB",
        "640MB is no quantity",
    ),
)
PLANTS = (*LIFECYCLE, *ENVIRONMENT, *ROUTING, *SECURITY)

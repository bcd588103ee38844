"""Faults in how narrowly things are chosen, and in what is left unsaid, that checks must find."""

from tests.chart.planting import REMOVED, Plant, with_fields, with_more
from tests.chart.plants_pods import AUTH, MAIN, MODEL

INSTANCE, COMPONENT = "app.kubernetes.io/instance", "app.kubernetes.io/component"
MODEL_SERVER, TRACK = "headrace.dev/model-server", "headrace.dev/track"
AUTH_IN, AUTH_OUT = (f"NetworkPolicy/headrace-auth spec {way}" for way in ("ingress", "egress"))
JOB = "Job/headrace-auth-migration spec"
FILTER = "EnvoyFilter/headrace-edge spec"

ISOLATION = (
    *(
        Plant("selectors_stay_in_the_release", f"{place} {INSTANCE}", REMOVED, "another release")
        for place in (
            "Service/headrace-auth spec selector",
            "Deployment/headrace-auth spec selector matchLabels",
            "PodDisruptionBudget/headrace-auth spec selector matchLabels",
            "AuthorizationPolicy/headrace-auth spec selector matchLabels",
            "NetworkPolicy/headrace-default-deny spec podSelector matchLabels",
            "PodMonitor/headrace spec selector matchLabels",
            f"{AUTH_IN} 0 from 0 podSelector matchLabels",
        )
    ),
    Plant(
        "spreading_counts_one_workload",
        f"{MODEL} topologySpreadConstraints 0 labelSelector matchLabels {TRACK}",
        REMOVED,
        "counts Deployment/headrace-inference-smollm2-135m-canary",
    ),
    Plant(
        "services_are_of_one_model",
        f"Service/headrace-inference-smollm2-135m spec selector {MODEL_SERVER}",
        REMOVED,
        "does not say of which model",
    ),
    Plant(
        "network_rules_are_narrow",
        "NetworkPolicy/headrace-migration spec podSelector matchExpressions",
        REMOVED,
        "is for audit, audit-migration, auth",
    ),
    Plant("network_rules_are_narrow", f"{AUTH_IN} 0 ports", REMOVED, "about every port"),
    Plant("network_rules_are_narrow", f"{AUTH_IN} 0 from", REMOVED, "about everybody"),
    Plant("network_rules_are_narrow", f"{AUTH_OUT} 0 to", REMOVED, "about everybody"),
    Plant("network_rules_are_narrow", f"{AUTH_IN} 0 from 0", {"podSelector": {}}, "is everybody"),
    Plant(
        "monitors_see_every_service",
        "PodMonitor/headrace spec selector matchExpressions 0 values",
        lambda values: [each for each in values if each != "cache"],
        "Deployment/headrace-cache: no PodMonitor",
    ),
    Plant(
        "sidecars_are_of_one_component",
        "Sidecar/headrace-auth spec workloadSelector",
        REMOVED,
        "is that of audit, auth, cache, gateway, inference",
    ),
    Plant("the_edge_is_one_gateway", "Gateway/headrace-edge spec selector", REMOVED, "every"),
    Plant("the_edge_is_one_gateway", "Gateway/headrace-edge spec servers 0", REMOVED, "no HTTPS"),
    Plant("the_edge_is_one_gateway", f"{FILTER} workloadSelector", REMOVED, "other gateways"),
    Plant("the_edge_is_one_gateway", f"{FILTER} configPatches 1 match", REMOVED, "belongs"),
)

COMPLETENESS = (
    Plant("choices_are_made_once", f"{AUTH} volumes 0 emptyDir", REMOVED, "volume tmp is 0 kinds"),
    Plant(
        "choices_are_made_once",
        f"{AUTH} {MAIN} env",
        with_more({"name": "A", "valueFrom": {"secretKeyRef": {"key": "a"}}}),
        "A has no value",
    ),
    Plant(
        "choices_are_made_once",
        f"{AUTH} {MAIN} livenessProbe",
        with_fields(httpGet={"path": "/", "port": 9000}),
        "livenessProbe asks 2 questions",
    ),
    Plant(
        "choices_are_made_once",
        "HorizontalPodAutoscaler/headrace-auth spec metrics 0 containerResource",
        REMOVED,
        "a metric is no ContainerResource",
    ),
    Plant("jobs_end", f"{JOB} template spec containers 0 command", REMOVED, "the service itself"),
    Plant(
        "jobs_end",
        f"{JOB} template spec containers 0 command 2",
        "headrace_auth.migrations",
        "runs python -m headrace_auth.migrations",
    ),
    Plant("jobs_end", f"{JOB} template spec restartPolicy", REMOVED, "again for ever"),
    Plant("jobs_end", f"{JOB} activeDeadlineSeconds", REMOVED, "no activeDeadlineSeconds"),
    Plant("init_containers_run_our_code", f"{MODEL} initContainers", REMOVED, "nobody makes"),
    Plant("init_containers_run_our_code", f"{MODEL} initContainers 0 command 1", "-c", "runs"),
    Plant("claims_are_complete", "PersistentVolumeClaim/ spec accessModes", REMOVED, "mount it"),
    Plant("claims_are_complete", "PersistentVolumeClaim/ spec resources", REMOVED, "how much"),
    Plant("claims_are_complete", "PersistentVolumeClaim/ metadata annotations", {}, "goes with"),
    Plant("claims_are_complete", f"{MODEL} securityContext fsGroup", REMOVED, "cannot write"),
    Plant(
        "destinations_name_a_port",
        "VirtualService/headrace-edge spec http 0 route 0 destination port",
        REMOVED,
        "which port",
    ),
    Plant(
        "destinations_name_a_port", "VirtualService/headrace-edge spec http", [], "leads nowhere"
    ),
    Plant(
        "destinations_name_a_port",
        "VirtualService/headrace-gateway spec http 0 match 0 port",
        REMOVED,
        "takes calls to other ports than 9000",
    ),
    Plant(
        "destinations_exist",
        "VirtualService/headrace-edge spec http 0 route 0 destination port number",
        REMOVED,
        "has no port {}",
    ),
    Plant(
        "settings_are_valid",
        f"{JOB} template spec containers 0 env",
        [],
        "Job/headrace-auth-migration",
    ),
    Plant(
        "pods_are_in_the_mesh",
        "Deployment/headrace-auth spec template metadata labels sidecar.istio.io/inject",
        "false",
        "has no proxy",
    ),
    Plant(
        "pods_are_in_the_mesh",
        f"{JOB} template metadata labels sidecar.istio.io/inject",
        "true",
        "has a proxy",
    ),
    Plant(
        "destinations_name_a_port",
        "VirtualService/headrace-gateway spec http 0 match 0 port",
        REMOVED,
        "takes calls to other ports than 9000",
    ),
    Plant(
        "destinations_exist",
        "VirtualService/headrace-edge spec http 0 route 0 destination port number",
        REMOVED,
        "has no port {}",
    ),
    Plant(
        "settings_are_valid",
        f"{JOB} template spec containers 0 env",
        [],
        "Job/headrace-auth-migration",
    ),
    Plant(
        "pods_are_in_the_mesh",
        "Deployment/headrace-auth spec template metadata annotations proxy.istio.io/config",
        lambda text: text.replace("circuit_breakers", ""),
        "tells nothing of circuit_breakers",
    ),
    Plant(
        "autoscalers_say_their_least",
        "HorizontalPodAutoscaler/headrace-auth spec minReplicas",
        REMOVED,
        "the fewest",
    ),
    Plant(
        "autoscalers_say_their_least",
        "HorizontalPodAutoscaler/headrace-auth spec scaleTargetRef apiVersion",
        REMOVED,
        "what kind",
    ),
)
PLANTS = (*ISOLATION, *COMPLETENESS)

"""Faults in Kubernetes' own objects that the checks must find."""

from tests.chart.planting import REMOVED, Plant, renamed, with_fields, with_more

AUTH = "Deployment/headrace-auth spec template spec"
GATEWAY = "Deployment/headrace-gateway spec template spec"
MODEL = "Deployment/headrace-inference-smollm2-135m spec template spec"
MAIN = "containers 0"
HPA, PDB = "HorizontalPodAutoscaler/headrace-auth spec", "PodDisruptionBudget/headrace-auth spec"
COMPONENT = "app.kubernetes.io/component"

NAMES = (
    Plant("objects_are_unique", "Service/headrace-auth metadata name", "headrace-audit", "2 times"),
    Plant("names_are_valid", "Service/headrace-auth metadata name", "Headrace_Auth", "no name"),
    Plant("labels_are_valid", f"Service/headrace-auth metadata labels {COMPONENT}", "a b", "a b"),
    Plant("objects_have_the_standard_labels", "Gateway/ metadata labels", {}, "helm.sh/chart"),
    Plant(
        "objects_are_in_the_releases_namespace",
        "Sidecar/headrace-auth metadata namespace",
        "default",
        "in namespace default",
    ),
    Plant(
        "selectors_do_not_change_with_versions",
        "Deployment/headrace-auth spec selector matchLabels",
        with_fields(**{"helm.sh/chart": "headrace-0.1.0"}),
        "selects by helm.sh/chart",
    ),
)

SELECTION = (
    Plant(
        "services_have_pods",
        f"Service/headrace-auth spec selector {COMPONENT}",
        "atuh",
        "selects no pod",
    ),
    Plant(
        "services_have_pods",
        f"Service/headrace-auth spec selector {COMPONENT}",
        "cache",
        "which is cache",
    ),
    Plant(
        "workloads_own_their_pods",
        f"Deployment/headrace-auth spec selector matchLabels {COMPONENT}",
        "audit",
        "does not select its own pods",
    ),
    Plant(
        "workloads_own_their_pods",
        "Deployment/headrace-gateway spec selector matchLabels headrace.dev/track",
        REMOVED,
        "selects the pods of Deployment/headrace-gateway-canary",
    ),
    Plant("pods_are_served", "Service/headrace-cache", REMOVED, "no Service selects its pods"),
    Plant("other_selectors_find_pods", f"{PDB} selector matchLabels {COMPONENT}", "auht", "no pod"),
    Plant(
        "other_selectors_find_pods",
        f"AuthorizationPolicy/headrace-auth spec selector matchLabels {COMPONENT}",
        "auht",
        "no pod",
    ),
    Plant(
        "other_selectors_find_pods",
        f"NetworkPolicy/headrace-auth spec ingress 0 from 0 podSelector matchLabels {COMPONENT}",
        "getaway",
        "peer: selects no pod",
    ),
    Plant(
        "spreading_is_over_own_pods",
        f"{AUTH} topologySpreadConstraints 0 labelSelector matchLabels {COMPONENT}",
        "cache",
        "counts other pods",
    ),
    Plant(
        "service_ports_are_open",
        "Service/headrace-auth spec ports 0 targetPort",
        "rpc",
        "port rpc is none of Deployment/headrace-auth",
    ),
    Plant(
        "service_ports_tell_their_protocol",
        "Service/headrace-auth spec ports 0 appProtocol",
        REMOVED,
        "appProtocol None",
    ),
    Plant("named_ports_exist", f"{AUTH} {MAIN} readinessProbe grpc port", 9001, "asks port 9001"),
    Plant(
        "named_ports_exist",
        "PodMonitor/headrace spec podMetricsEndpoints 0 port",
        "metric",
        "has no port metric",
    ),
    Plant(
        "named_ports_exist",
        "NetworkPolicy/headrace-auth spec ingress 0 ports 0 port",
        "gprc",
        "lets port gprc in",
    ),
    Plant(
        "named_ports_exist",
        "Ingress/headrace spec rules 0 http paths 0 backend service port",
        {"name": "https"},
        "has no port",
        "no-mesh",
    ),
    Plant(
        "annotations_do_not_contradict_ports",
        f"{GATEWAY.removesuffix(' spec')} metadata annotations",
        with_fields(**{"prometheus.io/port": "9465"}),
        "prometheus.io/port",
    ),
    Plant(
        "hosts_of_settings_have_services",
        f"{GATEWAY} {MAIN} env 0",
        {"name": "HEADRACE_GATEWAY_AUDIT_TARGET", "value": "headrace-adit:9000"},
        "headrace-adit",
    ),
    Plant(
        "hosts_of_settings_have_services",
        f"{GATEWAY} {MAIN} env 0",
        {"name": "HEADRACE_GATEWAY_AUDIT_TARGET", "value": "headrace-audit:90"},
        "no port 90",
    ),
)

REFERENCES = (
    Plant("accounts_exist", f"{AUTH} serviceAccountName", "headrace-atuh", "headrace-atuh"),
    Plant("accounts_exist", f"{AUTH} serviceAccountName", REMOVED, "ServiceAccount default"),
    Plant(
        "roles_exist",
        "RoleBinding/headrace-gateway roleRef name",
        "reader",
        "Role reader",
        "multi-model",
    ),
    Plant(
        "roles_exist",
        "RoleBinding/headrace-gateway subjects 0 name",
        "nobody",
        "ServiceAccount nobody",
        "multi-model",
    ),
    Plant(
        "tokens_are_for_those_who_need_them",
        f"{AUTH} automountServiceAccountToken",
        True,
        "is True",
    ),
    Plant(
        "tokens_are_for_those_who_need_them",
        f"{AUTH} automountServiceAccountToken",
        REMOVED,
        "is None",
    ),
    Plant(
        "tokens_are_for_those_who_need_them",
        "ServiceAccount/headrace-auth automountServiceAccountToken",
        REMOVED,
        "is not false",
    ),
    Plant(
        "config_maps_exist", "ConfigMap/headrace-routes", REMOVED, "no ConfigMap headrace-routes"
    ),
    Plant(
        "secret_keys_are_documented",
        f"{GATEWAY} {MAIN} env 13 valueFrom secretKeyRef key",
        "admission-url",
        "the key admission-url",
    ),
    Plant(
        "own_secrets_have_their_keys",
        "Secret/headrace-secrets stringData",
        renamed("key-encryption-key", "key-encryption"),
        "has no key key-encryption-key",
        "evaluation",
    ),
    Plant("volumes_exist", f"{AUTH} {MAIN} volumeMounts 0 name", "temp", "no volume temp"),
    Plant(
        "volumes_exist",
        f"{AUTH} volumes",
        with_more({"name": "x", "emptyDir": {}}),
        "mounts volume x",
    ),
    Plant("claims_exist", "PersistentVolumeClaim/", REMOVED, "no PersistentVolumeClaim"),
    Plant("claims_exist", f"{MODEL} volumes 1 persistentVolumeClaim claimName", "modles", "modles"),
    Plant(
        "priority_classes_exist", f"{AUTH} priorityClassName", "critical", "PriorityClass critical"
    ),
    Plant(
        "autoscalers_and_budgets_have_targets",
        f"{HPA} scaleTargetRef name",
        "headrace-oauth",
        "no apps/v1 Deployment headrace-oauth",
    ),
    Plant(
        "hooks_find_what_they_need",
        "ServiceAccount/headrace-migration metadata annotations helm.sh/hook-weight",
        "1",
        "runs before ServiceAccount/headrace-migration",
        "default",
    ),
    Plant(
        "hooks_find_what_they_need",
        "Job/headrace-auth-migration spec template spec serviceAccountName",
        "headrace-auth",
        "runs before ServiceAccount/headrace-auth",
        "default",
    ),
)

SCALING = (
    Plant("one_owner_of_replicas", "Deployment/headrace-auth spec replicas", 2, "has replicas"),
    Plant("one_owner_of_replicas", "HorizontalPodAutoscaler/headrace-auth", REMOVED, "how many"),
    Plant(
        "one_owner_of_replicas",
        f"{HPA} scaleTargetRef name",
        "headrace-inference-smollm2-135m",
        "scaled by HorizontalPodAutoscaler/headrace-auth and ScaledObject",
    ),
    Plant("autoscalers_have_room", f"{HPA} maxReplicas", 2, "scales from 2 to 2"),
    Plant("autoscalers_behave", f"{HPA} behavior scaleDown", REMOVED, "scales down"),
    Plant("autoscalers_behave", f"{HPA} metrics", [], "nothing to scale by"),
    Plant(
        "scaled_by_what_is_requested",
        f"{AUTH} {MAIN} resources requests cpu",
        REMOVED,
        "requests no cpu",
    ),
    Plant(
        "keda_fails_safely",
        "ScaledObject/ spec triggers 0 metadata ignoreNullValues",
        "true",
        "takes the absence of a metric for zero",
    ),
    Plant("keda_fails_safely", "ScaledObject/ spec fallback", REMOVED, "fallback"),
    Plant(
        "keda_fails_safely",
        "ScaledObject/ spec triggers 0 metadata query",
        "avg (llm_saturation)",
        "averages a gauge",
    ),
    Plant("budgets_let_nodes_drain", PDB, with_fields(maxUnavailable=0), "none may go"),
    Plant(
        "budgets_let_nodes_drain",
        PDB,
        lambda spec: {"minAvailable": "100%", "selector": spec["selector"]},
        "of 2 pods none may go",
    ),
    Plant("budgets_let_nodes_drain", f"{PDB} unhealthyPodEvictionPolicy", REMOVED, "not ready"),
    Plant(
        "one_budget_per_pod", PDB + f" selector matchLabels {COMPONENT}", REMOVED, "several budgets"
    ),
    Plant("one_budget_per_pod", "PodDisruptionBudget/headrace-auth", REMOVED, "no budget"),
    Plant(
        "rollouts_keep_serving",
        "Deployment/headrace-auth spec strategy rollingUpdate maxUnavailable",
        1,
        "takes pods away first",
    ),
    Plant(
        "rollouts_keep_serving",
        "Deployment/headrace-auth spec strategy rollingUpdate maxSurge",
        0,
        "cannot add a pod",
    ),
)
PLANTS = (*NAMES, *SELECTION, *REFERENCES, *SCALING)

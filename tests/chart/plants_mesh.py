"""Faults in the mesh's objects that the checks must find."""

from tests.chart.planting import REMOVED, Plant, with_fields, with_more

MODEL = "headrace-inference-smollm2-135m"
RULE, ROUTES = f"DestinationRule/{MODEL} spec", f"VirtualService/{MODEL} spec http"
AUTH_RULE = "DestinationRule/headrace-auth spec"
AUTH_ROUTES = "VirtualService/headrace-auth spec http"
EDGE_ROUTES = "VirtualService/headrace-edge spec http"
POLICY = "AuthorizationPolicy/headrace-auth spec"
GATEWAY_POLICY = "AuthorizationPolicy/headrace-gateway spec"
POOL = "trafficPolicy connectionPool http"
EJECTION = "trafficPolicy outlierDetection"
RECORDING = "headrace.audit.v1.AuditService/RecordEvents"

VALUES = (
    Plant("durations_are_durations", f"{AUTH_RULE} {EJECTION} interval", "5", "'5' is no duration"),
    Plant("durations_are_durations", f"{AUTH_ROUTES} 0 timeout", "2 s", "'2 s' is no duration"),
    Plant("hosts_are_hosts", f"{AUTH_RULE} host", "headrace_auth", "is no host"),
    Plant("ports_are_ports", f"{AUTH_ROUTES} 0 route 0 destination port number", 90000, "90000"),
    Plant("ports_are_ports", f"{GATEWAY_POLICY} rules 0 to 0 operation ports 0", "http", "'http'"),
    Plant("gateways_are_safe", "Gateway/ spec servers 0 tls minProtocolVersion", REMOVED, "old"),
    Plant("gateways_are_safe", "Gateway/ spec servers 1 tls", {}, "without TLS"),
    Plant("routes_have_one_end", f"{AUTH_ROUTES} 0", with_fields(redirect={}), "ends in"),
    Plant(
        "routes_have_one_end",
        f"{AUTH_ROUTES} 0 match 0 uri",
        {"exakt": "/"},
        "matches by ['exakt']",
    ),
    Plant(
        "routes_have_one_end",
        f"{AUTH_ROUTES} 0 retries retryOn",
        "connection-failure",
        "'connection-failure' is nothing to retry on",
    ),
    Plant("no_route_is_hidden", f"{AUTH_ROUTES} 0 match", REMOVED, "route 0 hides those after it"),
    Plant(
        "proxy_annotations_are_known",
        "Deployment/headrace-auth spec template metadata annotations proxy.istio.io/config",
        lambda text: text.replace("drainDuration", "drainDurations"),
        "drainDurations",
    ),
    Plant(
        "proxy_annotations_are_known",
        "Deployment/headrace-auth spec template metadata annotations proxy.istio.io/config",
        "drainDuration: 5",
        "drainDuration: 5 is no duration",
    ),
)

BREAKERS = (
    Plant(
        "hosts_have_services", f"{AUTH_RULE} host", "headrace-oauth", "no Service headrace-oauth"
    ),
    Plant("hosts_have_services", f"{AUTH_RULE} host", "headrace-audit", "several DestinationRules"),
    Plant(
        "subsets_have_pods",
        f"{RULE} subsets 1 labels headrace.dev/track",
        "canari",
        "subset canary has no pods",
    ),
    Plant("subsets_have_pods", f"{RULE} subsets 0", REMOVED, "is in subsets []"),
    Plant(
        "every_server_has_a_breaker", "DestinationRule/headrace-cache", REMOVED, "headrace-cache"
    ),
    Plant(
        "breakers_are_the_tables",
        f"{AUTH_RULE} {EJECTION} consecutiveGatewayErrors",
        7,
        "consecutiveGatewayErrors is 7, not 5",
    ),
    Plant(
        "breakers_are_the_tables",
        f"{RULE} subsets 1 trafficPolicy outlierDetection",
        REMOVED,
        "canary: consecutiveGatewayErrors is None",
    ),
    Plant(
        "breakers_are_the_tables",
        f"{AUTH_RULE} trafficPolicy connectionPool tcp connectTimeout",
        "3s",
        "connectTimeout is 3s, not 1s",
    ),
    Plant("breakers_hold_together", f"{AUTH_RULE} {POOL} http2MaxRequests", REMOVED, "bounds"),
    Plant(
        "breakers_hold_together", f"{AUTH_RULE} {POOL} http1MaxPendingRequests", 10, "10 may wait"
    ),
    Plant("breakers_hold_together", f"{AUTH_RULE} {EJECTION}", REMOVED, "never ejects a pod"),
    Plant(
        "breakers_hold_together",
        f"{AUTH_RULE} {EJECTION} consecutive5xxErrors",
        5,
        "5 gateway errors never come before 5 errors",
    ),
    Plant(
        "breakers_hold_together",
        f"{AUTH_RULE} trafficPolicy loadBalancer localityLbSetting",
        {},
        "another zone",
    ),
    Plant("pools_fit_the_model_servers", f"{RULE} {POOL} http2MaxRequests", 8, "lets 8 requests"),
    Plant(
        "callers_are_bounded_apart",
        "Sidecar/headrace-auth spec inboundConnectionPool",
        REMOVED,
        "all callers together have 1024 requests",
    ),
    Plant(
        "ejection_can_act",
        f"{AUTH_RULE} {EJECTION} maxEjectionPercent",
        10,
        "of 2 pods 10% is less than one",
    ),
    Plant("ejection_can_act", f"{AUTH_RULE} {EJECTION} maxEjectionPercent", REMOVED, "10% is less"),
    Plant("ejection_can_act", f"{AUTH_RULE} {EJECTION} maxEjectionPercent", 100, "eject all pods"),
)

TRAFFIC = (
    Plant(
        "destinations_exist", f"{ROUTES} 0 route 0 destination subset", "canery", "subset canery"
    ),
    Plant(
        "destinations_exist", f"{ROUTES} 0 route 0 destination host", "model", "no Service model"
    ),
    Plant("destinations_exist", f"{ROUTES} 0 route 0 destination port number", 9001, "no port"),
    Plant("gateways_exist", "Gateway/headrace-edge", REMOVED, "no Gateway headrace/headrace-edge"),
    Plant(
        "gateways_exist",
        "VirtualService/headrace-edge spec hosts 0",
        "other.example.com",
        "does not take other.example.com",
    ),
    Plant("weights_are_shares", f"{ROUTES} 2 route 0 weight", 91, "weights are [91, 10]"),
    Plant("cohorts_come_before_weights", f"{ROUTES} 0", REMOVED, "no route for cohort canary"),
    Plant(
        "cohorts_come_before_weights",
        ROUTES,
        lambda routes: [routes[2], *routes[:2]],
        "no route for cohort canary before weights",
    ),
    Plant("calls_go_by_the_table", f"{AUTH_ROUTES} 0 timeout", "5s", "ResolveCredential waits"),
    Plant("calls_go_by_the_table", f"{ROUTES} 2 retries attempts", 2, "Generate waits"),
    Plant(
        "calls_go_by_the_table",
        "VirtualService/headrace-cache spec http 0 retries perTryTimeout",
        REMOVED,
        "Lookup waits",
    ),
    Plant(
        "changes_are_made_once",
        f"{AUTH_ROUTES} 1 retries retryOn",
        "connect-failure,unavailable",
        "CreateApiKey is repeated on unavailable",
    ),
    Plant(
        "callers_give_up_first",
        f"{AUTH_ROUTES} 1 timeout",
        "6s",
        "CompleteFederatedLogin is cut, and Deployment/headrace-gateway waits 12 s",
    ),
    Plant(
        "streams_are_not_cut",
        f"{ROUTES} 0",
        with_fields(timeout="60s"),
        "Generate is cut after 60s",
    ),
    Plant(
        "streams_are_not_cut",
        f"{ROUTES} 2",
        with_fields(timeout="60s"),
        "Generate is cut after 60s",
    ),
    Plant(
        "streams_are_not_cut",
        EDGE_ROUTES,
        lambda routes: [{**route, "timeout": "60s"} for route in routes],
        "/v1/chat/completions is cut after 60s",
    ),
    Plant("nothing_is_repeated_by_default", f"{ROUTES} 0 retries", REMOVED, "default retries"),
    Plant(
        "nothing_is_repeated_by_default",
        f"{EDGE_ROUTES} 0 retries",
        {"attempts": 1, "retryOn": "5xx"},
        "repeats what callers ask",
    ),
    Plant("every_server_has_a_route", "VirtualService/headrace-cache", REMOVED, "headrace-cache"),
)

POLICIES = (
    Plant("nobody_may_call_unless_allowed", "AuthorizationPolicy/headrace-deny-all", REMOVED, "0"),
    Plant("nobody_may_call_unless_allowed", f"{POLICY} rules", [], "has no rules"),
    Plant("nobody_may_call_unless_allowed", f"{POLICY} rules 0", {}, "allows everyone"),
    Plant("calls_are_allowed_by_identity_and_method", f"{POLICY} rules 0 from", REMOVED, "who may"),
    Plant(
        "calls_are_allowed_by_identity_and_method",
        f"{POLICY} rules 0 to 0 operation",
        with_fields(methods=["GET"]),
        "gRPC is always POST",
    ),
    Plant("paths_are_methods", f"{POLICY} rules 0 to 0 operation paths", REMOVED, "every path"),
    Plant(
        "paths_are_methods",
        f"{POLICY} rules 0 to 0 operation paths 0",
        "/headrace.auth.v1.AcountService/*",
        "no proto has /headrace.auth.v1.AcountService/*",
    ),
    Plant(
        "paths_are_methods",
        f"{POLICY} rules 0 to 0 operation paths 0",
        f"/{RECORDING}",
        "of another service",
    ),
    Plant(
        "every_method_has_a_caller",
        f"{POLICY} rules 0 to 0 operation paths 0",
        REMOVED,
        "nobody may call /headrace.auth.v1.AccountService/Register",
    ),
    Plant(
        "every_method_has_a_caller",
        "AuthorizationPolicy/headrace-inference spec rules 0 to 0 operation paths",
        with_more("/headrace.inference.v1.InferenceService/Tokenize"),
        "nobody calls it",
    ),
    Plant(
        "principals_have_accounts",
        f"{POLICY} rules 0 from 0 source principals 0",
        "cluster.local/ns/headrace/sa/headrace-getaway",
        "no headrace-getaway",
    ),
    Plant(
        "principals_have_accounts",
        f"{POLICY} rules 0 from 0 source principals 0",
        "headrace-gateway",
        "is no principal",
    ),
    Plant(
        "the_edge_alone_tells_addresses",
        f"{GATEWAY_POLICY} rules 2 when",
        REMOVED,
        "ns/batch/sa/summaries may tell any address",
    ),
    Plant(
        "everyone_speaks_mutual_tls",
        "PeerAuthentication/headrace spec mtls mode",
        "PERMISSIVE",
        "mTLS is PERMISSIVE",
    ),
    Plant("everyone_speaks_mutual_tls", "PeerAuthentication/headrace", REMOVED, "0 PeerAuth"),
    Plant(
        "everyone_speaks_mutual_tls", f"{AUTH_RULE} trafficPolicy tls mode", "DISABLE", "DISABLE"
    ),
    Plant(
        "everyone_speaks_mutual_tls",
        "PeerAuthentication/headrace",
        lambda item: {**item, "kind": "RequestAuthentication"},
        "API keys are no JWT",
    ),
    Plant(
        "mesh_and_network_agree",
        f"{POLICY} rules 0 from 0 source principals 0",
        "cluster.local/ns/headrace/sa/headrace-cache",
        "the mesh alone lets cache call auth",
    ),
    Plant(
        "callers_are_the_values",
        "NetworkPolicy/headrace-audit spec ingress 0 from 0",
        REMOVED,
        "NetworkPolicy: keeps",
    ),
    Plant(
        "callers_are_the_values",
        "AuthorizationPolicy/headrace-audit",
        REMOVED,
        "AuthorizationPolicy: keeps auth from audit",
    ),
    Plant(
        "everything_is_closed_by_default",
        "NetworkPolicy/headrace-default-deny",
        REMOVED,
        "Deployment/headrace-auth: no NetworkPolicy",
    ),
    Plant(
        "pods_may_ask_for_names",
        "NetworkPolicy/headrace-auth spec egress 0",
        REMOVED,
        "Deployment/headrace-auth: cannot ask for names over UDP",
    ),
)
PLANTS = (*VALUES, *BREAKERS, *TRAFFIC, *POLICIES)

"""All checks by name: pure functions from rendered objects to a list of faults."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import yaml
from tests.chart.charts import documents, values_of
from tests.chart.checks import (
    capacity,
    completeness,
    connections,
    environment,
    isolation,
    istio_values,
    lifecycle,
    mesh_breakers,
    mesh_calls,
    mesh_policy,
    mesh_routes,
    names,
    pod_security,
    references,
    routing,
    scaling,
    schemas,
    selection,
)
from tests.chart.objects import Objects, leaves

Check = Callable[[Objects], list[str]]
Values = Mapping[str, Any]
PLAIN: tuple[Check, ...] = (
    schemas.custom_schemas,
    schemas.nothing_is_null,
    schemas.rate_limits,
    names.objects_are_unique,
    names.names_are_valid,
    names.labels_are_valid,
    names.objects_have_the_standard_labels,
    names.objects_are_in_the_releases_namespace,
    names.selectors_do_not_change_with_versions,
    istio_values.durations_are_durations,
    istio_values.hosts_are_hosts,
    istio_values.ports_are_ports,
    istio_values.gateways_are_safe,
    istio_values.routes_have_one_end,
    istio_values.no_route_is_hidden,
    selection.services_have_pods,
    selection.workloads_own_their_pods,
    selection.pods_are_served,
    selection.other_selectors_find_pods,
    selection.spreading_is_over_own_pods,
    selection.service_ports_are_open,
    selection.service_ports_tell_their_protocol,
    selection.named_ports_exist,
    selection.annotations_do_not_contradict_ports,
    selection.hosts_of_settings_have_services,
    references.accounts_exist,
    references.roles_exist,
    references.tokens_are_for_those_who_need_them,
    references.config_maps_exist,
    references.own_secrets_have_their_keys,
    references.volumes_exist,
    references.autoscalers_and_budgets_have_targets,
    references.hooks_find_what_they_need,
    scaling.one_owner_of_replicas,
    scaling.autoscalers_have_room,
    scaling.autoscalers_behave,
    scaling.scaled_by_what_is_requested,
    scaling.keda_fails_safely,
    scaling.budgets_let_nodes_drain,
    scaling.one_budget_per_pod,
    scaling.rollouts_keep_serving,
    lifecycle.pods_have_time_to_end,
    lifecycle.streams_may_end,
    lifecycle.pods_leave_the_mesh_first,
    lifecycle.pods_are_watched,
    lifecycle.probes_ask_what_is_answered,
    lifecycle.sidecars_drain_one_way,
    environment.settings_exist,
    environment.settings_are_valid,
    environment.services_listen_where_they_are_called,
    environment.services_run_for_production,
    environment.paths_are_mounted,
    environment.secrets_come_from_secrets,
    environment.environments_are_their_own,
    environment.schemas_are_changed_by_migrations,
    capacity.spools_fit_their_volumes,
    capacity.disks_hold_their_volumes,
    capacity.models_are_where_servers_look,
    capacity.pods_are_spread,
    capacity.quotas_have_room_for_all,
    capacity.mounts_are_absolute,
    completeness.choices_are_made_once,
    completeness.jobs_end,
    completeness.init_containers_run_our_code,
    completeness.claims_are_complete,
    completeness.destinations_name_a_port,
    completeness.pods_are_in_the_mesh,
    completeness.autoscalers_say_their_least,
    isolation.selectors_stay_in_the_release,
    isolation.spreading_counts_one_workload,
    isolation.services_are_of_one_model,
    isolation.network_rules_are_narrow,
    isolation.monitors_see_every_service,
    isolation.sidecars_are_of_one_component,
    isolation.the_edge_is_one_gateway,
    connections.calls_may_leave,
    connections.proxies_know_whom_they_call,
    connections.proxies_know_services_that_exist,
    connections.virtual_services_are_of_services,
    connections.the_public_comes_in,
    connections.metrics_can_be_read,
    connections.an_ingress_lets_streams_live,
    routing.routes_can_be_read,
    routing.labelled_services_are_targets,
    routing.routes_lead_to_servers,
    routing.every_model_has_a_route,
    routing.guard_policies_can_be_read,
    pod_security.pods_are_restricted,
    pod_security.containers_are_restricted,
    pod_security.containers_cannot_change_themselves,
    pod_security.images_have_versions,
    pod_security.resources_are_bounded,
    pod_security.quantities_are_quantities,
    mesh_breakers.hosts_have_services,
    mesh_breakers.subsets_have_pods,
    mesh_breakers.every_server_has_a_breaker,
    mesh_breakers.breakers_are_the_tables,
    mesh_breakers.breakers_hold_together,
    mesh_breakers.pools_fit_the_model_servers,
    mesh_breakers.callers_are_bounded_apart,
    mesh_breakers.ejection_can_act,
    mesh_routes.destinations_exist,
    mesh_routes.gateways_exist,
    mesh_routes.weights_are_shares,
    mesh_routes.cohorts_come_before_weights,
    mesh_calls.calls_go_by_the_table,
    mesh_calls.changes_are_made_once,
    mesh_calls.callers_give_up_first,
    mesh_calls.streams_are_not_cut,
    mesh_calls.nothing_is_repeated_by_default,
    mesh_routes.every_server_has_a_route,
    mesh_policy.nobody_may_call_unless_allowed,
    mesh_policy.calls_are_allowed_by_identity_and_method,
    mesh_policy.paths_are_methods,
    mesh_policy.every_method_has_a_caller,
    mesh_policy.principals_have_accounts,
    mesh_policy.everyone_speaks_mutual_tls,
    mesh_policy.mesh_and_network_agree,
    mesh_policy.everything_is_closed_by_default,
    mesh_policy.pods_may_ask_for_names,
)


@cache
def checks(name: str) -> dict[str, Check]:
    """All for a values file."""
    return checks_of(values_of(name))


def checks_of(values: Values) -> dict[str, Check]:
    """All by name; some compare the objects with the values that they are made of."""
    found = {check.__name__: check for check in PLAIN}
    for version in schemas.VERSIONS:
        found[f"kubernetes_{version}"] = schemas.kubernetes_schemas(version)
    found |= {
        "proxy_annotations_are_known": istio_values.proxy_annotations_are_known(yaml.safe_load),
        "secret_keys_are_documented": references.secret_keys_are_documented(
            documents(), given(values, "apiKeySecret", "name")
        ),
        "claims_exist": references.claims_exist(given(values, "storage", "existingClaim")),
        "priority_classes_exist": references.priority_classes_exist(_existing_classes(values)),
        "the_edge_alone_tells_addresses": mesh_policy.the_edge_alone_tells_addresses(
            values["mesh"]["gateway"]["serviceAccount"]
        ),
        "callers_are_the_values": mesh_policy.callers_are_the_values(callers(values)),
    }
    return found


def given(values: Values, *ending: str) -> set[str]:
    """Every text in the values whose path ends so."""
    return {
        value
        for path, value in leaves(values)
        if path[-len(ending) :] == ending and isinstance(value, str) and value
    }


def _existing_classes(values: Values) -> set[str]:
    """Those that are not the chart's own two."""
    return given(values, "priorityClassName") - {"critical", "standard"}


def callers(values: Values) -> set[mesh_policy.Pair]:
    """Who calls whom over gRPC."""
    services = {**values["services"], "inference": values["inference"]["defaults"]}
    pairs = {
        (caller, name)
        for name, service in services.items()
        for caller in service.get("callers", {})
    }
    by_the_edge = values["mesh"]["enabled"] and values["mesh"]["gateway"]["grpc"]
    if values["gateway"]["consumers"] or by_the_edge:
        pairs.add((mesh_policy.EXTERNAL, "gateway"))
    return pairs

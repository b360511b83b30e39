"""The kinds of events that provinces report for indicators alone; by their numbers they are among those of the hub's own."""

OUTLET, ELIGIBLE, SERVED = "outlet_registered", "payee_became_eligible", "group_service_given"
INDICATOR_FACTS = frozenset({OUTLET, ELIGIBLE, SERVED})

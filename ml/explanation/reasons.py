"""Which sides of a trail there are to give as a reason: stable ids for groups of the model's inputs."""

REASONS = {
    "pace": ("gap",),
    "bursts": ("events_in_",),
    "time_of_day": ("hour_", "weekday_"),
    "account_age": ("account_age", "ordinal"),
    "event_mix": ("event_type", "same_type", "distinct_types"),
    "item_repetition": ("same_item", "item_new", "item_visit", "item_revisit", "distinct_items", "items_per_event"),
    "item_popularity": ("item_events", "item_users"),
    "item_recency": ("item_gap",),
    "item_record": ("item_bad_users",),
    "session_shape": ("session", "events_per_session"),
    "amounts": ("amount",),
    "channel": ("channel",),
}
CONTEXT = ("closes_day",)  # when a user is scored, not how they behave: true of everyone at a day's end


def reason_of(feature: str, extras: list[str]) -> str:
    """The reason code of a model input, by the beginning of its name; a declared extra column is its own reason."""
    for extra in extras:
        if feature == extra or feature.startswith((f"{extra}_", f"{extra}=")):
            return extra
    for code, prefixes in REASONS.items():
        if feature.startswith(prefixes):
            return code
    return feature


def group_inputs(names: list[str], extras: list[str]) -> dict[str, list[int]]:
    """Reason code -> indices of the inputs that belong to it, in the order in which codes first appear.

    Inputs that are no one's behaviour (CONTEXT) belong to no reason.
    """
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        if name not in CONTEXT:
            groups.setdefault(reason_of(name, extras), []).append(index)
    return groups

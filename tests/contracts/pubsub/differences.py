"""Which promises of production Google's emulator does not keep.

The contract is production's, and the embedded Pub/Sub keeps all of it. A test that stands here must fail on the
emulator: should the emulator learn the promise, the suite says so.
"""

# promise (the name of its test) → what Google's emulator does instead
EMULATOR = {
    "test_a_wrapped_push_has_every_field_of_production": "sends no orderingKey",
    "test_a_push_with_a_dead_letter_says_which_attempt_it_is": "sends no deliveryAttempt",
    "test_a_push_carries_a_token_of_its_service_account": "sends no Authorization header",
    "test_the_audience_of_a_token_is_the_endpoint_unless_one_is_set": "sends no Authorization header",
    "test_an_unwrapped_push_keeps_bytes_that_are_no_text": "replaces what is not UTF-8",
    "test_the_ordering_key_of_an_unwrapped_push_is_a_header": "calls the header x-goog-ordering-key",
    "test_five_status_codes_acknowledge_and_no_others": "takes 203 for an acknowledgement, and 202 for none",
    "test_a_refused_push_comes_again_after_its_backoff": "waits a second at least",
    "test_a_push_says_that_google_sends_it": "sends Java's User-Agent",
    "test_a_message_id_is_no_counter": "counts from 1 at each start",
    "test_many_pushes_are_under_way_at_once": "has two under way",
    "test_a_filter_decides_what_a_subscription_gets": "ignores filters",
    "test_a_filter_that_can_not_be_read_is_refused": "ignores filters",
    "test_an_ack_deadline_has_ten_seconds_to_ten_minutes": "takes shorter ones",
    "test_a_request_has_ten_megabytes_at_most": "takes larger ones",
    "test_attributes_have_bounds": "has none",
}

# Promises that the emulator was seen to keep, and that take ten seconds each to see: an ack deadline can be no shorter.
SPARED = frozenset(
    {
        "test_a_push_that_nobody_answers_comes_again_at_the_ack_deadline",
        "test_a_message_that_is_not_acknowledged_in_time_comes_again",
    }
)

"""When the calls of one step are all there."""

from gateway_cursor.batch import Batch


def test_there_is_nothing_to_wait_for_without_a_call() -> None:
    batch = Batch()
    batch.announce({"a"}, "Read", 1.0)
    assert batch.deadline is None


def test_a_call_that_was_not_announced_waits_a_second_for_others() -> None:
    batch = Batch()
    batch.arrive("a", "Read", 10.0)
    assert batch.deadline == 11.0


def test_another_call_begins_the_wait_anew() -> None:
    batch = Batch()
    batch.arrive("a", "Read", 10.0)
    batch.arrive("b", "Read", 10.9)
    assert batch.deadline == 11.9


def test_when_all_that_were_announced_are_here_the_wait_is_short() -> None:
    batch = Batch()
    batch.announce({"a"}, "Read", 9.0)
    batch.arrive("a", "Read", 10.0)
    assert batch.deadline == 10.2


def test_a_call_that_was_announced_is_waited_for() -> None:
    batch = Batch()
    batch.announce({"a"}, "Read", 9.0)
    batch.announce({"b"}, "Bash", 9.0)
    batch.arrive("a", "Read", 10.0)
    assert batch.deadline == 40.0
    batch.arrive("b", "Bash", 20.0)
    assert batch.deadline == 20.2


def test_arguments_that_grow_are_waited_for_as_long_as_they_grow() -> None:
    batch = Batch()
    batch.arrive("a", "Read", 10.0)
    batch.announce({"b"}, "Write", 11.0)
    batch.announce({"b"}, "Write", 35.0)
    assert batch.deadline == 65.0


def test_a_call_that_is_here_is_not_announced_again() -> None:
    batch = Batch()
    batch.arrive("a", "Read", 10.0)
    batch.announce({"a"}, "Read", 10.5)
    assert batch.deadline == 11.0


def test_any_of_its_ids_will_do() -> None:
    batch = Batch()
    batch.announce({"a", "fc_a"}, "Read", 9.0)
    batch.arrive("fc_a", "Read", 10.0)
    assert batch.deadline == 10.2


def test_a_call_under_another_id_is_taken_for_the_one_that_was_announced() -> None:
    batch = Batch()
    batch.announce({"a"}, "Read", 9.0)
    batch.arrive("zzz", "Read", 10.0)
    assert batch.deadline == 10.2


def test_a_call_that_the_server_refused_itself_is_not_waited_for() -> None:
    batch = Batch()
    batch.announce({"a"}, "Read", 9.0)
    batch.announce({"b"}, "Read", 9.0)
    batch.arrive("a", "Read", 10.0)
    batch.withdraw({"b"})
    assert batch.deadline == 10.2


def test_nor_is_one_that_was_refused_here() -> None:
    batch = Batch()
    batch.announce({"a"}, "Read", 9.0)
    batch.announce({"b"}, "Read", 9.0)
    batch.arrive("a", "Read", 10.0)
    batch.refuse("b", "Read")
    assert batch.deadline == 10.2


def test_without_the_last_call_there_is_nothing_to_wait_for() -> None:
    batch = Batch()
    batch.arrive("a", "Read", 10.0)
    batch.drop()
    assert batch.deadline is None


def test_the_next_batch_starts_from_nothing() -> None:
    batch = Batch()
    batch.announce({"a"}, "Read", 9.0)
    batch.arrive("a", "Read", 10.0)
    batch.clear()
    assert batch.deadline is None
    batch.arrive("b", "Read", 20.0)
    assert batch.deadline == 21.0

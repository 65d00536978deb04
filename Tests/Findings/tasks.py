# SPDX-License-Identifier: MIT
"""Servers whose tasks outlive their clients."""
from go_servers import GoServer, build, releases
from scenario import Expected, crowd, faulty, scenario, short
from tracer import Skip


def go_program():
    return GoServer(build(releases()[0]))


@short
@scenario(Expected({"task-leak": {"provider": "go", "unexplained_tasks": lambda value: value >= 10,
                                  "growing_group": lambda value: "chan send" in value and ".go:" in value}}, within_s=16))
def producers_that_outlive_their_clients(scene):
    """Eight clients a second leave; the goroutine that made their events blocks in a channel send for good."""
    with go_program() as server, scene.traced(server):
        scene.plant()
        with crowd(server.port, "/producer", 8, 18, "--reset") as client:
            client.results()


@scenario(Expected({"task-leak": {"provider": "go"}}, within_s=16))
def nine_goroutines_behind_each_client(scene):
    """Two clients leave in 3 s, and each leaves nine blocked in a channel send; nothing of the sockets shows it."""
    with go_program() as server, scene.traced(server):
        scene.plant()
        with crowd(server.port, "/fanout?n=10", 2, 18, "--reset", "--pause", 500) as client:
            client.results()


@scenario(Expected({"task-leak": {"provider": "go"}, "orphaned-tasks": {"tasks_left_behind": lambda value: value >= 1}},
                   within_s=16))
def producers_that_are_counted_one_by_one(scene):
    """The same with a Go that keeps who created a goroutine: each response tells whom it left behind."""
    found = [release for release in releases() if release.root]
    if not found:
        raise Skip("needs a Go from 1.21 on (make go-versions)")
    with GoServer(build(found[-1])) as server, scene.traced(server):
        scene.plant()
        with crowd(server.port, "/producer", 8, 18, "--reset") as client:
            client.results()


@scenario(Expected())
def producers_that_end_with_their_clients(scene):
    with GoServer(build(releases()[-1])) as server, scene.traced(server):
        with crowd(server.port, "/good", 8, 15, "--reset") as client:
            client.results()


@scenario(Expected())
def a_crowd_of_goroutines_that_comes_with_its_clients(scene):
    """Two more clients a second, each with its goroutines."""
    with go_program() as server, scene.traced(server):
        with crowd(server.port, "/good", 24, 14, "--ramp", 2) as client:
            client.results()


@scenario(Expected())
def goroutines_that_come_with_clients_one_by_one(scene):
    """Two goroutines each, a client every 300 ms: those that come between two counts are in one of them only."""
    with go_program() as server, scene.traced(server):
        with crowd(server.port, "/good", 60, 18, "--every", 300) as client:
            client.results()


@scenario(Expected())
def goroutines_that_come_with_ten_clients_a_second(scene):
    with go_program() as server, scene.traced(server):
        with crowd(server.port, "/good", 160, 16, "--every", 100) as client:
            client.results()


@scenario(Expected())
def threads_that_come_with_clients_one_by_one(scene):
    with faulty() as server, scene.traced(server):
        with crowd(server.port, "/events/count=500/gap=50", 60, 18, "--every", 300) as client:
            client.results()

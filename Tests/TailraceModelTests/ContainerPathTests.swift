// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

/// Paths of cgroups as runtimes make them.
@Suite("Containers by their cgroups")
struct ContainerPathTests {
    private static let id = String(repeating: "0123456789abcdef", count: 4)
    private static let other = String(repeating: "f", count: 64)
    private static let uid = "2c48913c-b29f-11e7-9350-020968147796"
    private static let low = "2c48913c_b29f_11e7_9350_020968147796"
    private static let hash = "0123456789abcdef0123456789abcdef"

    @Test(arguments: [
        // systemd
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\(low).slice/cri-containerd-\(id).scope",
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod\(low).slice/crio-\(id).scope",
        "/kubepods.slice/kubepods-pod\(low).slice/docker-\(id).scope",
        "/kubepods.slice/kubepods-pod\(low).slice/crio-\(id).scope/container",
        // cgroupfs
        "/kubepods/burstable/pod\(uid)/\(id)", "/kubepods/pod\(uid)/\(id)",
        "/kubepods/besteffort/pod\(uid)/\(id)/init.scope",
        "/system.slice/containerd.service/kubepods-burstable-pod\(low).slice:cri-containerd:\(id)",
        // seen from a namespace of cgroups, and a node that is a container itself
        "/../../kubepods-burstable-pod\(low).slice/cri-containerd-\(id).scope",
        "/docker/\(other)/kubelet/kubepods/burstable/pod\(uid)/\(id)",
        "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
            + "kubelet-kubepods-besteffort-pod\(low).slice/cri-containerd-\(id).scope",
    ])
    func ofPods(_ path: String) throws {
        let container = try #require(Container(cgroup: path))
        #expect(container.id == Self.id && container.podUID == Self.uid, "\(path)")
    }

    @Test(arguments: [
        "/system.slice/docker-\(id).scope", "/docker/\(id)", "/machine.slice/libpod-\(id).scope",
        "/machine.slice/libpod-\(id).scope/container", "/system.slice/nerdctl-\(id).scope", "/ecs/0a1b2c3d/\(id)",
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-\(id).scope",
        "/docker/\(id)/system.slice/x.service",
        "/machine.slice/machine-libpod_pod_\(other).slice/libpod-\(id).scope",
    ])
    func withoutPods(_ path: String) throws {
        let container = try #require(Container(cgroup: path))
        #expect(container.id == Self.id && container.podUID == nil, "\(path)")
    }

    @Test(arguments: [
        "/", "/system.slice/nginx.service", "/user.slice/user-0.slice/session-1.scope", "/docker", "/docker/abc",
        "/machine.slice/libpod-conmon-\(id).scope", "/kubepods.slice", "/kubepods/burstable", "/pods/podcast",
        "/kubepods/pod\(uid.dropLast())", "/xpod\(uid)", "/system.slice/docker-\(id.uppercased()).scope", "/\(id)0",
        "/kubepods.slice/kubepods-pod\(low)x.slice", "<1234>", "",
    ])
    func none(_ path: String) { #expect(Container(cgroup: path) == nil, "\(path)") }

    @Test func ofAStaticPodTheHashIsTheUID() {
        let path = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\(Self.hash).slice"
        #expect(Container(cgroup: path)?.podUID == Self.hash)
        #expect(Container(cgroup: path)?.id == nil, "the pod, and none of its containers")
    }

    @Test func theUnifiedHierarchyIsAskedFirst() {
        let old = "/kubepods/burstable/pod\(Self.uid)/\(Self.id)"
        let v1 = "12:pids:\(old)\n11:cpu,cpuacct:\(old)\n1:name=systemd:\(old)\n0::/\n"
        #expect(Container(cgroups: v1)?.id == Self.id, "v1, and a hybrid")
        let both = "1:name=systemd:/docker/\(Self.other)\n0::/docker/\(Self.id)\n"
        #expect(Container(cgroups: both)?.id == Self.id)
        #expect(Container(cgroups: "0::/system.slice/a:b.service\n") == nil)
        #expect(Container(cgroups: "nonsense") == nil)
    }

    @Test func labels() throws {
        var container = try #require(Container(cgroup: "/kubepods/pod\(Self.uid)/\(Self.id)"))
        #expect(container.label == nil, "the cgroup's name says as much")
        (container.pod, container.namespace) = ("web-0", "shop")
        #expect(container.label == "shop/web-0/0123456789ab")
        container.name = "app"
        #expect(container.label == "shop/web-0/app")
    }
}

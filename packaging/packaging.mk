# SPDX-License-Identifier: MIT
# What others install: one static executable, a Debian package, the root of a container. Included by Makefile.

PACKAGE_PACKAGES := debhelper dpkg-dev lintian systemd mandoc man-db strace util-linux binutils python3 python3-pip zsh

.PHONY: static deb container-root package-check package-deps kubernetes-schemas

# The objects of the release, linked anew: one executable that needs no library and no loader, position-independent with relative
# relocations packed (only lld makes those of a static one), and functions that are the same once. $(PRODUCT)/Objects.LinkFileList is SwiftPM's own list of them, so what
# Package.swift adds is in it. What of the C library would load libraries at run time (NSS) is held to a list by Tests/Packaging.
PRODUCT = $(shell $(SWIFT) build -c release --show-bin-path)/tailrace.product
STATIC := .build/static/tailrace
LINK_STATIC = $(SWIFT)c -emit-executable -static-executable -use-ld=lld -Xclang-linker -static-pie -Xlinker -z -Xlinker now \
	-Xlinker --pack-dyn-relocs=relr -Xlinker --gc-sections -Xlinker --icf=safe -Xlinker -O2 -Xlinker -s -Xlinker --defsym -Xlinker main=tailrace_main
static: release
	@echo "  LINK  $(STATIC)"
	$(Q)mkdir -p $(dir $(STATIC))
	$(Q)$(LINK_STATIC) @$(PRODUCT)/Objects.LinkFileList $$(pkg-config --static --libs libbpf zlib) -o $(STATIC)

# The executable is the release's, with the libraries of this distribution: dpkg-shlibdeps finds which.
deb: release package-deps
	$(Q)sh packaging/debian/build.sh "$(PROGRAM)" .build/deb

# All that is in the image; packaging/container/Containerfile copies it.
CONTAINER := .build/container
container-root: static
	@echo "  TREE  $(CONTAINER)"
	$(Q)rm -rf $(CONTAINER) && mkdir -p $(CONTAINER)/root
	$(Q)cd $(CONTAINER)/root && mkdir -p -m 755 etc/tailrace proc sys run/tailrace var/lib/tailrace usr/bin && mkdir -m 1777 tmp
	$(Q)install -m 755 $(STATIC) $(CONTAINER)/root/usr/bin/tailrace
	$(Q)install -m 644 packaging/container/tailrace.conf $(CONTAINER)/root/etc/tailrace/tailrace.conf
	$(Q)install -m 644 packaging/container/passwd packaging/container/group $(CONTAINER)/root/etc/
	$(Q)install -m 644 packaging/container/Containerfile $(CONTAINER)/

# Kubernetes' schemas, for kubernetes-validate: from PyPI.
kubernetes-schemas:
	$(Q)test -d .build/kubernetes/kubernetes_validate || { echo "  PIP  kubernetes-validate"; \
	python3 -m pip install -q --root-user-action=ignore --target .build/kubernetes kubernetes-validate==1.37.0; }

# What is packaged, by the tools of those that it is for: lintian, systemd-analyze, kubernetes-validate, mandoc; the package is installed and
# purged, the container's tree traces a server. PACKAGE_TESTS="deb unit" chooses.
package-check: deb container-root kubernetes-schemas package-deps
	$(Q)TAILRACE="$(PROGRAM)" python3 Tests/Packaging/run.py $(PACKAGE_TESTS)

package-deps:
	$(Q)sh scripts/packages.sh $(PACKAGE_PACKAGES)

/* SPDX-License-Identifier: MIT */
#ifndef TAILRACE_SCHEMA_H
#define TAILRACE_SCHEMA_H

#include <stddef.h>

/* A document as it is in the sources. */
struct schema_document {
	const unsigned char *bytes;
	size_t size;
};

/* OpenAPI 3.1, JSON. */
extern const struct schema_document tailrace_openapi;
/* JSON Schema, draft 2020-12, to which it refers. */
extern const struct schema_document tailrace_json_schema;

#endif

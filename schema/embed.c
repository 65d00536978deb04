/* SPDX-License-Identifier: MIT */
/* The description of the daemon's socket, inside the executable: what is served is what is described. */
#include "schema.h"

static const unsigned char openapi[] = {
#embed "openapi.json"
};

const struct schema_document tailrace_openapi = { openapi, sizeof(openapi) };

static const unsigned char json_schema[] = {
#embed "tailrace-1.schema.json"
};

const struct schema_document tailrace_json_schema = { json_schema, sizeof(json_schema) };

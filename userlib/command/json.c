// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Output for programs: a JSON text on a line.
 */
#include "command.h"

static void print_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		const unsigned char c = *text;

		/* A byte that is no ASCII may be anything: text is the kernel's, not ours. */
		if (c < ' ' || c == '"' || c == '\\' || c >= 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void begin_value(struct json *json, const char *key)
{
	if (json->comma)
		fputs(", ", json->out);
	json->comma = true;
	if (key) {
		print_string(json->out, key);
		fputs(": ", json->out);
	}
}

void json_open(struct json *json, const char *key, char bracket)
{
	begin_value(json, key);
	fputc(bracket, json->out);
	json->comma = false;
}

void json_close(struct json *json, char bracket)
{
	fputc(bracket, json->out);
	json->comma = true;
}

void json_number(struct json *json, const char *key, long long number)
{
	begin_value(json, key);
	fprintf(json->out, "%lld", number);
}

/* No limit is null. */
void json_bytes(struct json *json, const char *key, unsigned long long bytes)
{
	begin_value(json, key);
	if (bytes == NO_LIMIT)
		fputs("null", json->out);
	else
		fprintf(json->out, "%llu", bytes);
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin_value(json, key);
	fputs(value ? "true" : "false", json->out);
}

void json_string(struct json *json, const char *key, const char *text)
{
	begin_value(json, key);
	print_string(json->out, text);
}

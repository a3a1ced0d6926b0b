// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Output in columns, each as wide as the widest of its cells.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

#define MAX_COLUMNS 16

void table_begin(struct table *table, const char *align, const char *head)
{
	table->align = align;
	table->rows = open_memstream(&table->text, &table->size);
	if (!table->rows)
		exit(failed("%s", strerror(errno)));
	fprintf(table->rows, "%s\n", head);
}

static void measure(const struct table *table, size_t widths[MAX_COLUMNS])
{
	const char *cell = table->text;
	size_t column = 0, width;

	for (; *cell; cell += width + 1) {
		width = strcspn(cell, "\t\n");
		if (widths[column] < width)
			widths[column] = width;
		column = cell[width] == '\n' ? 0 : column + 1;
	}
}

static void print_cell(FILE *out, const char *cell, size_t length, size_t width, bool left,
		       bool last)
{
	if (!left)
		fprintf(out, "%*s", (int)(width - length), "");
	fprintf(out, "%.*s", (int)length, cell);
	if (last)
		fputc('\n', out);
	else
		fprintf(out, "%*s", (int)(left ? width - length : 0) + 2, "");
}

/* Prints it and frees it. */
void table_end(struct table *table, FILE *out)
{
	size_t widths[MAX_COLUMNS] = { 0 };
	size_t column = 0, length;
	const char *cell;

	if (fclose(table->rows))
		exit(failed("%s", strerror(errno)));
	measure(table, widths);
	for (cell = table->text; *cell; cell += length + 1) {
		length = strcspn(cell, "\t\n");
		print_cell(out, cell, length, widths[column], table->align[column] == 'l',
			   cell[length] == '\n');
		column = cell[length] == '\n' ? 0 : column + 1;
	}
	free(table->text);
}

/* SPDX-License-Identifier: MIT */
#include "client/ctl/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {
	[FINDING_OK] = "OK", [FINDING_WARN] = "WARN", [FINDING_FIX] = "FIX"};

static void memory_out(void) __attribute__((noreturn));
static void memory_out(void)
{
	fputs("iommu-brokerctl: out of memory\n", stderr);
	exit(1);
}

void report_add(struct host_report *report, enum finding_level level, const char *topic,
	const char *advice, const char *format, ...)
{
	struct finding finding = {.level = level, .topic = topic};
	struct finding *all = reallocarray(report->all, report->count + 1, sizeof(*all));
	va_list args;

	if (!all)
		memory_out();
	report->all = all;
	va_start(args, format);
	if (vasprintf(&finding.text, format, args) < 0)
		memory_out();
	va_end(args);
	if (advice) {
		finding.advice = strdup(advice);
		if (!finding.advice)
			memory_out();
	}
	all[report->count++] = finding;
}

bool report_mend(const struct host_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->all[i].level == FINDING_FIX)
			return true;
	return false;
}

void report_print(const struct host_report *report, FILE *out)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct finding *finding = &report->all[i];

		fprintf(out, "%-5s %-11s %s%s%s\n", words[finding->level], finding->topic,
			finding->text, finding->advice ? ": " : "",
			finding->advice ? finding->advice : "");
	}
}

static void json_string(const char *text, FILE *out)
{
	putc('"', out);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < 0x20 || *c >= 0x7f) /* what a kernel's file says need not be UTF-8 */
			fprintf(out, "\\u%04x", *c);
		else
			putc(*c, out);
	}
	putc('"', out);
}

void report_print_json(const struct host_report *report, FILE *out)
{
	fputs("[", out);
	for (size_t i = 0; i < report->count; i++) {
		const struct finding *finding = &report->all[i];

		fprintf(out,
			"%s\n  {\"level\": \"%s\", \"topic\": \"%s\", \"text\": ", i ? "," : "",
			words[finding->level], finding->topic);
		json_string(finding->text, out);
		if (finding->advice) {
			fputs(", \"do\": ", out);
			json_string(finding->advice, out);
		}
		putc('}', out);
	}
	fputs("\n]\n", out);
}

void report_free(struct host_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		free(report->all[i].text);
		free(report->all[i].advice);
	}
	free(report->all);
	*report = (struct host_report){0};
}

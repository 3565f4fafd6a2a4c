/* SPDX-License-Identifier: MIT */
/* iommu-brokerctl: the table of commands, and how a command line finds its row. */
#include <stdio.h>
#include <string.h>

#include "client/ctl/commands.h"

#define PROGRAM "iommu-brokerctl"

static const struct ctl_command commands[] = {
	{"ls", "[--json] [--socket PATH]", "the sessions and the devices of a running broker",
		"  --socket PATH  its admin socket (default: $IOMMU_BROKER_ADMIN_SOCKET, "
		"/run/iommu-broker/admin.sock)\n"
		"\n"
		"Sizes are bytes. A device that is held was taken back, but somebody still refers "
		"to "
		"it: HOLDERS says\n"
		"where to look. A foreign session is one of a broker that "
		"was "
		"killed: it runs on.\n",
		ls_run},
	{"revoke", "[--json] [--socket PATH] SESSION",
		"a session end by force, and each step of it",
		"Its process is killed, its devices are detached, its memory is unmapped: no "
		"device "
		"of it reaches memory\n"
		"after that. The exit status is 0 when that is so, also if a device is still "
		"held.\n",
		revoke_run},
	{"host check", "[--json] [--root DIR]",
		"what of this host is ready for the broker, and what to do about the rest",
		"  --json        an array of objects instead of lines\n"
		"  --root DIR    look at the files below DIR instead of this machine's; nothing is "
		"probed\n"
		"\n"
		"Each line begins with OK, WARN (works, but know this) or FIX (the broker will "
		"refuse, or a\n"
		"tenant could get around it). Only looks: changes nothing, and says what it could "
		"not see.\n"
		"The exit status is 1 if any line says FIX.\n",
		host_check_run},
};

#define COMMANDS_COUNT (sizeof(commands) / sizeof(commands[0]))

static void command_print(FILE *out, const struct ctl_command *command)
{
	fprintf(out, "usage: " PROGRAM " %s%s%s\n", command->name, command->arguments[0] ? " " : "",
		command->arguments);
}

enum ctl_exit ctl_usage(const struct ctl_command *self, const char *what, const char *value)
{
	fprintf(stderr, PROGRAM " %s: %s%s%s\n", self->name, what, value ? ": " : "",
		value ? value : "");
	command_print(stderr, self);
	return CTL_USAGE;
}

enum ctl_exit ctl_help(const struct ctl_command *self)
{
	command_print(stdout, self);
	printf("\nShows %s.\n", self->about);
	if (self->details)
		printf("\n%s", self->details);
	return CTL_OK;
}

static void table_print(FILE *out)
{
	fputs("usage: " PROGRAM " COMMAND [ARGUMENTS]\n\n", out);
	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		fprintf(out, "  %-16s %s\n", commands[i].name, commands[i].about);
	fputs("\n  COMMAND --help   more about one\n  --help, --version\n\n"
	      "Exit status: 0 done, 1 refused or something is to be mended, 2 wrong usage, 3 no "
	      "daemon "
	      "answers.\n",
		out);
}

/* How many words of the command line name this command: 0, 1 or 2. */
static int command_match(const struct ctl_command *command, int argc, char **argv)
{
	const char *space = strchr(command->name, ' ');
	size_t first = space ? (size_t)(space - command->name) : strlen(command->name);

	if (argc < 1 || strlen(argv[0]) != first || memcmp(argv[0], command->name, first) != 0)
		return 0;
	if (!space)
		return 1;
	return argc >= 2 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		table_print(stderr);
		return CTL_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		table_print(stdout);
		return CTL_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts(PROGRAM " " IOMMUB_VERSION);
		return CTL_OK;
	}
	for (size_t i = 0; i < COMMANDS_COUNT; i++) {
		int words = command_match(&commands[i], argc - 1, argv + 1);

		if (words)
			return (int)commands[i].run(&commands[i], argc - words, argv + words);
	}
	fprintf(stderr, PROGRAM ": no such command: %s%s%s (try --help)\n", argv[1],
		argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
	return CTL_USAGE;
}

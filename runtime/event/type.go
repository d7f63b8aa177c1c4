package event

import "slices"

// Type says what happened: a subject, a dot, and what became of it.
type Type string

// The types. What Message, Kind and Data hold is said of each; where nothing is said of
// them they are empty.
const (
	// ServerStarted: it listens. Data: url.
	ServerStarted Type = "server.started"

	// ServerReady: all plugins that were live before the restart are loaded, or cannot be.
	ServerReady Type = "server.ready"

	// ServerStopping: it takes no new calls. It is the last event of a server's life.
	ServerStopping Type = "server.stopping"

	// VersionUploaded: a version was checked, started and stored. Data: digest, bytes, abi.
	VersionUploaded Type = "version.uploaded"

	// VersionLive: from now on the version is the live one, whatever made it so. Data:
	// previous, the version that was live before, 0 for none.
	VersionLive Type = "version.live"

	// VersionFenced: calls of the version are refused for a while. Message says why.
	VersionFenced Type = "version.fenced"

	// VersionResumed: a version that was fenced went well when it was tried, and gets its
	// calls again.
	VersionResumed Type = "version.resumed"

	// VersionTookOver: the version took over by itself from one that failed, and Message
	// says why. Data: from. VersionLive follows.
	VersionTookOver Type = "version.took_over"

	// VersionFailed: a stored version cannot be loaded. Kind and Message say why.
	VersionFailed Type = "version.failed"

	// CanaryStarted: the version gets a share of the calls, or another share than before.
	// Data: live, the version that gets the others; share; judge.
	CanaryStarted Type = "canary.started"

	// CanaryEnded: the version gets no share any more, but all calls or none. Message says
	// why. Data: live, whether it got them all.
	CanaryEnded Type = "canary.ended"

	// PluginDeleted: the plugin was forgotten. Data: versions, how many it had.
	PluginDeleted Type = "plugin.deleted"

	// InstanceFailed: an instance could not be made. Kind and Message say why. A Burst.
	InstanceFailed Type = "instance.failed"

	// InstanceDied: an instance was closed because something is wrong with it. Message
	// says what; the cause is in Data, as in the lives of instances. A Burst.
	InstanceDied Type = "instance.died"

	// CallFailed: calls ended with a fault, of the Kind and with the Message of the one
	// that RequestID names. A Burst.
	CallFailed Type = "call.failed"

	// CallRefused: calls were not begun, since too many waited or the version was fenced.
	// As CallFailed. A Burst.
	CallRefused Type = "call.refused"

	// TaskFailed: attempts at tasks failed and are followed by another one, with the Kind and
	// the Message of the task that RequestID names. A Burst for each plugin.
	TaskFailed Type = "task.failed"

	// TaskDead: tasks were given up. As TaskFailed.
	TaskDead Type = "task.dead"

	// StoreFailed: tasks are not taken, since what was to be stored was not. Kind and Message
	// say why.
	StoreFailed Type = "store.failed"

	// StoreRecovered: tasks are taken again.
	StoreRecovered Type = "store.recovered"

	// ScheduleFailed: the task of a schedule cannot be submitted. Kind and Message say why.
	// Data: schedule, moment, submitted. It is told once of failures in a row.
	ScheduleFailed Type = "schedule.failed"

	// ScheduleMissed: moments of a schedule went by, since the server was down or the clock
	// was set, and not all are made up for. Data: schedule; moment, the first of them;
	// submitted, how many are.
	ScheduleMissed Type = "schedule.missed"

	// CallbackFailed: a URL was not told that a task ended, and is not tried again. RequestID
	// is the task's, Message says why. Data: host, tried.
	CallbackFailed Type = "callback.failed"

	// FindingOpened: the monitor found what makes calls slow. Message says what, Data has
	// the finding.
	FindingOpened Type = "finding.opened"

	// FindingClosed: a finding does not hold any more.
	FindingClosed Type = "finding.closed"

	// Gap: events before the next one are not kept any more. It is made for a Reader and
	// passes every Filter. Count is how many of this life are missing, of any type. Data:
	// restarted, when those after the id that was asked for were of a life before.
	Gap Type = "gap"
)

// Types lists every type that can be asked for, in the order above.
var Types = []Type{
	ServerStarted, ServerReady, ServerStopping,
	VersionUploaded, VersionLive, VersionFenced, VersionResumed, VersionTookOver, VersionFailed,
	CanaryStarted, CanaryEnded, PluginDeleted, InstanceFailed, InstanceDied,
	CallFailed, CallRefused, TaskFailed, TaskDead, StoreFailed, StoreRecovered, ScheduleFailed, ScheduleMissed, CallbackFailed,
	FindingOpened, FindingClosed,
}

// Known tells whether t is a type, or the subject of some: "version" stands for all
// types that begin with "version.".
func (t Type) Known() bool { return slices.ContainsFunc(Types, t.covers) }

// covers tells whether t is other, or the subject of it.
func (t Type) covers(other Type) bool {
	n := len(t)
	return len(other) >= n && other[:n] == t && (len(other) == n || n > 0 && other[n] == '.')
}

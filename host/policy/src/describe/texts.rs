//! What the fields of policies mean, in a sentence each.

/// What fields mean. Those of sections beside `kprobes` mean the same there.
pub(super) const TEXTS: &[(&str, &str)] = &[
    ("apiVersion", "Always cilium.io/v1alpha1."),
    (
        "kind",
        "TracingPolicy, or TracingPolicyNamespaced, which with `metadata.namespace` is about that namespace's pods.",
    ),
    (
        "metadata.namespace",
        "For TracingPolicyNamespaced: the namespace of Kubernetes whose pods the policy is about.",
    ),
    ("spec.podSelector", "Only processes in containers of pods with such labels."),
    ("spec.containerSelector", "Only processes in containers with such a `name`, `repo` or `id`."),
    ("spec.hostSelector", "`{}`: processes that are in no container; beside the other two, also those."),
    ("spec.podSelector.matchLabels", "Labels and their values. All must be so."),
    ("spec.podSelector.matchExpressions", "What labels must be. All must hold."),
    ("spec.nodeSelector.matchLabels", "Labels of the host and their values. All must be so."),
    ("spec.nodeSelector.matchExpressions", "What labels of the host must be. All must hold."),
    (
        "spec.kprobes.selectors.matchWorkloads",
        "Whose calls, as the policy's podSelector, containerSelector and hostSelector say it.",
    ),
    ("metadata", "Whose policy this is; only the name matters."),
    ("metadata.name", "The policy's name, unique among those that are loaded: a DNS name in lower case."),
    ("spec", "What to hook, and what to do then."),
    ("spec.enforcers", "System calls that NotifyEnforcer has refused, wherever it is taken."),
    (
        "spec.enforcers.calls",
        "System calls, as in `call`, functions `security_…`, where any call is refused, and lists of them: list:NAME.",
    ),
    ("spec.options", "How the policy as a whole is loaded."),
    (
        "spec.options.name",
        "policy-mode says whether the policy starts by enforcing or only monitors; disable-kprobe-multi has the functions \
         of a list hooked one by one; the others tune how Tetragon attaches hooks, refuses calls and reads \
         memory, which serin finds out by itself.",
    ),
    ("spec.options.value", "For policy-mode: enforce or monitor."),
    ("spec.selectorsMacros", "Filters by name, for selectors to take in."),
    ("spec.kprobes.selectors.macros", "Names of macros, whose filters this selector has as well."),
    ("spec.kprobes", "Hooks on kernel functions and system calls."),
    ("spec.fentries", "The same: how a function is hooked depends on the kernel."),
    (
        "spec.tracepoints",
        "Hooks on tracepoints: `subsystem` and `event` as tracefs names them; `args` are fields of the record by their \
         number in the event's format, or with `raw: true` the tracepoint's own arguments.",
    ),
    ("spec.lsmhooks", "Hooks on LSM hooks, called `hook`: file_open."),
    (
        "spec.uprobes",
        "Hooks in the program or library at `path`: at `symbols`, at `offsets` in the file, or at the addresses `addrs`.",
    ),
    ("spec.usdts", "Hooks on USDT probes, as `provider` and `name`, of the program or library at `path`."),
    (
        "spec.kprobes.call",
        "The function to hook: sys_symlinkat, fd_install. A system call unless `syscall: false`.",
    ),
    ("spec.kprobes.syscall", "Whether `call` is a system call. True by default."),
    ("spec.kprobes.message", "A text that events of this hook carry, at most 256 bytes."),
    ("spec.kprobes.tags", "Tags that events of this hook carry: at most 16, each of at most 128 bytes."),
    ("spec.kprobes.args", "The parameters to read, in the order in which events show them."),
    ("spec.kprobes.args.index", "The parameter's number, counted from 0."),
    (
        "spec.kprobes.args.type",
        "How the parameter is read; checked against the kernel's types. Fields of tracepoints are `auto` if it is left out.",
    ),
    ("spec.kprobes.args.label", "A name for the argument in events."),
    (
        "spec.kprobes.args.resolve",
        "What of the parameter is read: fields and elements, as in mm.owner.real_parent.comm or [0]; pointers between them \
         are followed.",
    ),
    (
        "spec.kprobes.args.btfType",
        "For resolve: the structure that the parameter points to, if its type does not tell.",
    ),
    ("spec.kprobes.args.BTFType", "The same as btfType."),
    (
        "spec.kprobes.args.sizeArgIndex",
        "For char_buf and char_iovec: the parameter that says how many bytes or segments there are, counted from 1.",
    ),
    (
        "spec.kprobes.args.returnCopy",
        "For char_buf: read it when the call has returned, as many bytes as it returned.",
    ),
    ("spec.kprobes.data", "What is read beside the arguments; events show it under `data`."),
    ("spec.kprobes.data.index", "Says nothing: filters count the entries."),
    ("spec.kprobes.data.type", "How it is read."),
    ("spec.kprobes.data.label", "A name for it in events."),
    ("spec.kprobes.data.source", "current_task, or pt_regs for the registers."),
    (
        "spec.kprobes.data.resolve",
        "Fields of the task, as in cred.uid.val; or the name of a register, as in rdi or eax.",
    ),
    (
        "spec.kprobes.returnArgAction",
        "For functions that return a socket: TrackSock remembers whose it is, UntrackSock forgets that.",
    ),
    ("spec.kprobes.ignore", "What to put up with when the policy is loaded."),
    ("spec.kprobes.ignore.callNotFound", "Leave the hook out if this kernel has no such function."),
    (
        "spec.kprobes.selectors",
        "Tried in order; the first that matches acts. Without any, every call is posted.",
    ),
    ("spec.kprobes.selectors.matchPIDs", "Which processes, by id. All entries must hold."),
    (
        "spec.kprobes.selectors.matchPIDs.operator",
        "Whether the id must be one of the values, or none of them.",
    ),
    ("spec.kprobes.selectors.matchPIDs.values", "Process ids."),
    (
        "spec.kprobes.selectors.matchPIDs.isNamespacePID",
        "Ids are as the process's own pid namespace numbers them.",
    ),
    ("spec.kprobes.selectors.matchPIDs.followForks", "Ids of the process's ancestors count as well."),
    ("spec.kprobes.selectors.matchBinaries", "Which programs, by path. All entries must hold."),
    ("spec.kprobes.selectors.matchBinaries.operator", "How the path is compared with the values."),
    ("spec.kprobes.selectors.matchBinaries.values", "Absolute paths, or how they start or end."),
    (
        "spec.kprobes.selectors.matchBinaries.followChildren",
        "Earlier programs of the process and of its ancestors count as well.",
    ),
    ("spec.kprobes.selectors.matchParentBinaries", "The same of the parent's program."),
    ("spec.kprobes.selectors.matchNamespaces", "Which namespaces the process is in."),
    ("spec.kprobes.selectors.matchNamespaceChanges", "Which kinds of namespaces the process has changed."),
    ("spec.kprobes.selectors.matchCapabilities", "Which capabilities the process has."),
    ("spec.kprobes.selectors.matchCapabilityChanges", "Which capabilities have come or gone."),
    ("spec.kprobes.selectors.matchCurrentCred", "Which user the process runs as."),
    ("spec.kprobes.selectors.matchArgs", "What the arguments must be. All entries must hold."),
    ("spec.kprobes.selectors.matchArgs.index", "The parameter's number, as in `args`; 0 if left out."),
    (
        "spec.kprobes.selectors.matchArgs.args",
        "Another way to say which: the number of the entry in the hook's `args`, counted from 0, in a list; two numbers for \
         CapabilitiesGained. CelExpr has neither.",
    ),
    (
        "spec.kprobes.selectors.matchArgs.operator",
        "How the argument is compared with the values. CelExpr: whether the expression is true.",
    ),
    (
        "spec.kprobes.selectors.matchArgs.values",
        "What it is compared with; one must match, or none with Not… For CelExpr, one expression over integer entries of \
         `args`: `arg0 == int32(-1) && arg1 < arg2`.",
    ),
    ("spec.kprobes.selectors.matchData", "What the entries of `data` must be. All entries must hold."),
    ("spec.kprobes.selectors.matchData.index", "The number of the entry of `data`, from 0; 0 if left out."),
    ("spec.kprobes.selectors.matchData.args", "The same, as a list with one number."),
    ("spec.kprobes.selectors.matchData.operator", "How it is compared with the values."),
    (
        "spec.kprobes.selectors.matchData.values",
        "What it is compared with; one must match, or none with Not…",
    ),
    (
        "spec.kprobes.selectors.matchActions",
        "What to do; all of it is done. Without any, the call is posted.",
    ),
    ("spec.kprobes.selectors.matchActions.action", "What to do."),
    (
        "spec.kprobes.selectors.matchActions.argError",
        "For Override and NotifyEnforcer: the error to return, -4095 to -1. In uprobes: what the function returns.",
    ),
    (
        "spec.kprobes.selectors.matchActions.argIndex",
        "For Set: the probe's argument, four bytes in memory, counted from 0.",
    ),
    ("spec.kprobes.selectors.matchActions.argValue", "For Set: what the argument becomes."),
    (
        "spec.kprobes.selectors.matchActions.argFd",
        "For FollowFD, UnfollowFD, CopyFD: the number of the parameter that is the descriptor.",
    ),
    (
        "spec.kprobes.selectors.matchActions.argName",
        "For FollowFD: the parameter that is the name. For CopyFD: the other descriptor.",
    ),
    (
        "spec.kprobes.selectors.matchActions.rateLimit",
        "For Post: how long equal calls are held back: 30s, 5m, 1h.",
    ),
    (
        "spec.kprobes.selectors.matchActions.rateLimitScope",
        "For Post: whose calls are held against each other; thread by default.",
    ),
    ("spec.kprobes.selectors.matchActions.argFqdn", "For DnsLookup: the name to look up."),
    (
        "spec.kprobes.selectors.matchActions.argSig",
        "For Signal and NotifyEnforcer: the signal's number, 1 to 64.",
    ),
    (
        "spec.kprobes.selectors.matchActions.argSock",
        "For TrackSock and UntrackSock: the parameter that is the socket, counted from 0.",
    ),
    ("spec.kprobes.selectors.matchActions.argUrl", "For GetUrl: an absolute http or https URL."),
    ("metadata.labels", "Of Kubernetes; says nothing about what to trace."),
    ("metadata.annotations", "Of Kubernetes; says nothing about what to trace."),
    ("metadata.uid", "What an API server of Kubernetes writes; says nothing about what to trace."),
    (
        "metadata.resourceVersion",
        "What an API server of Kubernetes writes; says nothing about what to trace.",
    ),
    ("metadata.generation", "What an API server of Kubernetes writes; says nothing about what to trace."),
    (
        "metadata.creationTimestamp",
        "What an API server of Kubernetes writes; says nothing about what to trace.",
    ),
    (
        "metadata.deletionTimestamp",
        "What an API server of Kubernetes writes; says nothing about what to trace.",
    ),
    (
        "metadata.deletionGracePeriodSeconds",
        "What an API server of Kubernetes writes; says nothing about what to trace.",
    ),
    (
        "metadata.ownerReferences",
        "What an API server of Kubernetes writes; says nothing about what to trace.",
    ),
    ("metadata.finalizers", "What an API server of Kubernetes writes; says nothing about what to trace."),
    ("metadata.managedFields", "What an API server of Kubernetes writes; says nothing about what to trace."),
    ("metadata.selfLink", "What an API server of Kubernetes writes; says nothing about what to trace."),
    ("metadata.generateName", "For an API server of Kubernetes, which makes a name from it: write `name`."),
    ("spec.lists", "Names of system calls, for `call`, `values` and enforcers to take in: list:NAME."),
    ("spec.lists.name", "What the list is taken in by."),
    ("spec.lists.type", "Where the names come from: `values`, or for the generated ones the kernel."),
    ("spec.lists.values", "System calls, as in `call`; left out in generated lists."),
    ("spec.lists.validated", "Whether Tetragon tries the names. serin always does."),
    (
        "spec.lists.pattern",
        "For generated_ftrace: a regular expression, which the names of at most 256 functions match.",
    ),
    (
        "spec.loader",
        "Tell of each file that a process maps to execute it, with its build ID, in events of their own: process_loader.",
    ),
    (
        "spec.nodeSelector",
        "The policy is for hosts with such labels, as `--node-label` gives them; elsewhere it is not loaded.",
    ),
    (
        "spec.kprobes.return",
        "Wait for the call's return: the event tells what `returnArg` says of it, and comes when it is known.",
    ),
    ("spec.kprobes.returnArg", "What is returned: an integer or a socket."),
    ("spec.kprobes.returnArg.index", "0: a function returns one value."),
    ("spec.kprobes.returnArg.type", "How it is read."),
    ("spec.kprobes.returnArg.label", "A name for it in events."),
    ("spec.kprobes.returnArg.sizeArgIndex", "Says nothing: what is returned is no buffer."),
    ("spec.kprobes.returnArg.returnCopy", "Says nothing: it is read at the return anyway."),
    ("spec.kprobes.returnArg.resolve", "What lies behind what is returned."),
    ("spec.kprobes.returnArg.maxData", "Read more than 4096 bytes."),
    ("spec.kprobes.returnArg.source", "Where it comes from."),
    ("spec.kprobes.returnArg.btfType", "For resolve: the structure that it points to."),
    ("spec.kprobes.returnArg.btfTypeModule", "For btfType: the module whose type it is."),
    ("spec.kprobes.args.source", "Belongs below `data`: a parameter comes from the call."),
    (
        "spec.kprobes.args.maxData",
        "For char_buf: read as much as can be, which serin always does: 4088 bytes.",
    ),
    (
        "spec.kprobes.args.btfTypeModule",
        "For btfType: the kernel's module whose type it is, which must be loaded.",
    ),
    ("spec.kprobes.data.sizeArgIndex", "For char_buf: the parameter that says how many bytes there are."),
    ("spec.kprobes.data.returnCopy", "Read it when the call has returned."),
    ("spec.kprobes.data.maxData", "For char_buf: read more than 4096 bytes."),
    ("spec.kprobes.data.btfType", "For resolve: the structure that is pointed to."),
    ("spec.kprobes.data.btfTypeModule", "For btfType: the module whose type it is."),
    ("spec.kprobes.selectors.label", "A name for the selector, where selectors are counted."),
    (
        "spec.kprobes.selectors.matchReturnArgs",
        "What is returned must be; with `return: true`. All entries must hold, or the call is not reported.",
    ),
    ("spec.kprobes.selectors.matchReturnArgs.index", "0: a function returns one value."),
    ("spec.kprobes.selectors.matchReturnArgs.args", "The same, as a list with one number."),
    ("spec.kprobes.selectors.matchReturnArgs.operator", "How what is returned is compared with the values."),
    (
        "spec.kprobes.selectors.matchReturnArgs.values",
        "What it is compared with; one must match, or none with Not…",
    ),
    (
        "spec.kprobes.selectors.matchReturnActions",
        "What to do when the call has returned and matchReturnArgs hold; all of it is done. Without any, the call is posted.",
    ),
    (
        "spec.kprobes.selectors.matchReturnActions.action",
        "Post, NoPost, Sigkill, Signal, GetUrl or DnsLookup.",
    ),
    ("spec.kprobes.selectors.matchReturnActions.argFqdn", "For DnsLookup: the name to look up."),
    ("spec.kprobes.selectors.matchReturnActions.argSig", "For Signal: the signal's number, 1 to 64."),
    ("spec.kprobes.selectors.matchReturnActions.argUrl", "For GetUrl: an absolute http or https URL."),
    ("spec.kprobes.selectors.matchParentBinaries.operator", "How the path is compared with the values."),
    ("spec.kprobes.selectors.matchParentBinaries.values", "Absolute paths, or how they start or end."),
    (
        "spec.kprobes.selectors.matchParentBinaries.followChildren",
        "Earlier programs of the parent and of its ancestors count as well.",
    ),
    ("spec.kprobes.selectors.matchNamespaces.namespace", "The kind of namespace."),
    (
        "spec.kprobes.selectors.matchNamespaces.operator",
        "Whether it must be one of the values, or none of them.",
    ),
    (
        "spec.kprobes.selectors.matchNamespaces.values",
        "Numbers as in `readlink /proc/self/ns/net`; host_ns for that of the first process.",
    ),
    (
        "spec.kprobes.selectors.matchNamespaceChanges.operator",
        "Whether one of them must have changed, or none.",
    ),
    (
        "spec.kprobes.selectors.matchNamespaceChanges.values",
        "Kinds of namespaces, as in matchNamespaces.namespace.",
    ),
    ("spec.kprobes.selectors.matchCapabilities.type", "Which of the process's sets is looked at."),
    (
        "spec.kprobes.selectors.matchCapabilities.operator",
        "Whether one of the values must be in the set, or none.",
    ),
    (
        "spec.kprobes.selectors.matchCapabilities.isNamespaceCapability",
        "Only in processes whose user namespace is not the host's.",
    ),
    ("spec.kprobes.selectors.matchCapabilities.values", "Names of capabilities: CAP_SYS_ADMIN."),
    ("spec.kprobes.selectors.matchCapabilityChanges.type", "Which of the process's sets is looked at."),
    (
        "spec.kprobes.selectors.matchCapabilityChanges.operator",
        "Whether one of the values must have come or gone, or none.",
    ),
    (
        "spec.kprobes.selectors.matchCapabilityChanges.isNamespaceCapability",
        "Only in processes whose user namespace is not the host's.",
    ),
    ("spec.kprobes.selectors.matchCapabilityChanges.values", "Names of capabilities: CAP_SYS_ADMIN."),
    ("spec.kprobes.selectors.matchCurrentCred.uid", "What the real user id must be. All entries must hold."),
    (
        "spec.kprobes.selectors.matchCurrentCred.uid.operator",
        "Whether it must be one of the values, or none of them.",
    ),
    ("spec.kprobes.selectors.matchCurrentCred.uid.values", "User ids, and ranges of them: 1000:1999."),
    (
        "spec.kprobes.selectors.matchCurrentCred.euid",
        "What the effective user id must be. All entries must hold.",
    ),
    (
        "spec.kprobes.selectors.matchCurrentCred.euid.operator",
        "Whether it must be one of the values, or none of them.",
    ),
    ("spec.kprobes.selectors.matchCurrentCred.euid.values", "User ids, and ranges of them: 1000:1999."),
    (
        "spec.kprobes.selectors.matchWorkloads.podSelector",
        "Processes in containers of pods with such labels.",
    ),
    (
        "spec.kprobes.selectors.matchWorkloads.containerSelector",
        "Processes in containers with such a `name`, `repo` or `id`.",
    ),
    (
        "spec.kprobes.selectors.matchWorkloads.hostSelector",
        "`{}`: processes that are in no container; beside the other two, also those.",
    ),
    ("spec.containerSelector.matchLabels", "What `name`, `repo` and `id` must be. All must be so."),
    ("spec.containerSelector.matchExpressions", "The same by operators. All must hold."),
    ("spec.podSelector.matchExpressions.key", "The label; below containerSelector `name`, `repo` or `id`."),
    (
        "spec.podSelector.matchExpressions.operator",
        "What its value must be; Exists and DoesNotExist take no values.",
    ),
    ("spec.podSelector.matchExpressions.values", "Values for In and NotIn."),
    (
        "spec.kprobes.selectors.matchActions.kernelStackTrace",
        "For Post: tell how the kernel came to the hooked function.",
    ),
    (
        "spec.kprobes.selectors.matchActions.userStackTrace",
        "For Post: tell how the program came to its call into the kernel.",
    ),
    (
        "spec.kprobes.selectors.matchActions.argRegs",
        "For Override in uprobes: registers and what they become, such as `rdi=%rsi`, one after the other.",
    ),
    (
        "spec.kprobes.selectors.matchActions.argNewSymbol",
        "For Override in uprobes: the function that runs instead.",
    ),
    (
        "spec.kprobes.selectors.matchActions.argNewAddr",
        "For Override in uprobes: the address of what runs instead.",
    ),
    (
        "spec.kprobes.selectors.matchActions.argNewOffset",
        "For Override in uprobes: the offset in the file of what runs instead.",
    ),
    (
        "spec.kprobes.selectors.matchActions.imaHash",
        "For Post on LSM hooks about a file: report the hash that the kernel's integrity measurement (IMA) computes of it.",
    ),
];

# Loads this release into plain R: source("load_release.R"); release <- load_release("."); release$rna$X[1:3, 1:3]
# Needs rhdf5 (Bioconductor) for the matrices and survival (in every R) for the endpoints. Subjects are text, never numbers.
load_release <- function(folder = ".") {
  words <- read.csv(file.path(folder, "dictionary", "dictionary.csv"), colClasses = "character", check.names = FALSE, encoding = "UTF-8")
  table_of <- function(name) {
    path <- file.path(folder, "csv", paste0(name, ".csv"))
    if (!file.exists(path)) return(NULL)                     # too large for CSV: see the modalities, or tables/*.parquet
    first <- names(read.csv(path, nrows = 1, check.names = FALSE, encoding = "UTF-8"))
    mine <- words[words$table == name, ]                     # types as the dictionary says, never guessed: "F" is a sex, not FALSE
    types <- setNames(mine$type[match(first, mine$column)], first)
    types[first %in% c("subject_id", "primary", "colname", "StudyInstanceUID", "SeriesInstanceUID")] <- "string"
    as_read <- c(string = "character", integer = "numeric", float = "numeric", boolean = "logical", date = "character", datetime = "character")
    frame <- read.csv(path, check.names = FALSE, na.strings = "", encoding = "UTF-8", colClasses = setNames(unname(as_read[types]), first))
    for (column in first[types %in% "date"]) frame[[column]] <- as.Date(frame[[column]])
    for (column in first[types %in% "datetime"]) frame[[column]] <- as.POSIXct(frame[[column]], format = "%Y-%m-%dT%H:%M:%S", tz = "UTC")
    if (name %in% c("subjects", "analysis")) rownames(frame) <- frame$subject_id
    frame
  }
  file <- file.path(folder, "cohort.h5mu")
  column_of <- function(group, name) {                       # one column of obs or var, categories decoded
    found <- rhdf5::h5read(file, paste0(group, "/", name))
    if (is.list(found) && !is.null(found$categories)) return(found$categories[ifelse(found$codes < 0, NA, found$codes + 1)])
    if (is.factor(found)) as.character(found) == "TRUE" else as.vector(found)
  }
  modality_of <- function(name) {                            # X is variables x samples, as Bioconductor has it; x subjects without samples
    group <- paste0("mod/", name)
    columns <- rhdf5::h5readAttributes(file, paste0(group, "/obs"))[["column-order"]]
    obs <- as.data.frame(lapply(setNames(columns, columns), function(c) column_of(paste0(group, "/obs"), c)), check.names = FALSE)
    rownames(obs) <- as.vector(rhdf5::h5read(file, paste0(group, "/obs/_index")))
    X <- rhdf5::h5read(file, paste0(group, "/X"))
    dimnames(X) <- list(as.vector(rhdf5::h5read(file, paste0(group, "/var/_index"))), if (is.null(obs$sample)) rownames(obs) else obs$sample)
    list(X = X, obs = obs)
  }
  tables <- c("subjects", "analysis", "adtte", "adrs", "bds", "features", "robustness", "volumes", "trace", "missing", "sample_map", "splits", "quarantine")
  release <- setNames(lapply(tables, table_of), tables)
  for (name in as.vector(rhdf5::h5readAttributes(file, "mod")[["mod-order"]])) release[[name]] <- modality_of(name)
  surv_of <- function(e) {                                   # one Surv per endpoint, named by subject; NA for who was never at risk
    part <- is.na(e$AVAL) & !is.na(if (is.null(e$AVAL_MIN)) e$AVAL else e$AVAL_MIN)   # known in part: intervals
    if (!is.null(e$ENTRY)) {                                 # late entry and intervals have no estimate together in survfit
      if (any(part)) warning(sum(part), " times known in part count as their middle: AVAL_MIN and AVAL_MAX bound them")
      if (any(part)) e$AVAL[part] <- ifelse(e$CNSR == 0, (e$AVAL_MIN + e$AVAL_MAX) / 2, e$AVAL_MIN)[part]
      return(suppressWarnings(survival::Surv(e$ENTRY, e$AVAL, e$CNSR == 0)))
    }
    if (!any(part)) return(survival::Surv(e$AVAL, e$CNSR == 0))   # below: R leaves the first day of an interval out of it
    survival::Surv(e$AVAL_MIN - ifelse(part & e$CNSR == 0, 0.5, 0), ifelse(e$CNSR == 0, e$AVAL_MAX, NA), type = "interval2")
  }
  release$Surv <- lapply(split(release$adtte, release$adtte$PARAMCD), function(e) setNames(surv_of(e), e$subject_id))
  parts <- release$splits[release$splits$scheme == "centre", ]
  known <- release$subjects[[if (is.null(release$subjects$centres)) "centre" else "centres"]]
  known <- strsplit(ifelse(is.na(known), "", known), ";")
  sides_of <- function(centre) {                             # who is of several centres is on neither side
    mine <- parts[parts$held_out == centre, ]
    if (NROW(mine)) return(list(train = mine$subject_id[mine$part == "train"], test = mine$subject_id[mine$part == "test"]))
    test <- vapply(known, identical, NA, centre)
    list(train = release$subjects$subject_id[lengths(known) > 0 & !vapply(known, function(of) centre %in% of, NA)], test = release$subjects$subject_id[test])
  }
  release$held_out <- sapply(sort(unique(if (NROW(parts)) parts$held_out else unlist(known)), method = "radix"), sides_of, simplify = FALSE)
  data_of <- function(e) {                                   # what is known at the index, with time, event and entry (-1 from the start)
    low <- if (is.null(e$AVAL_MIN)) e$AVAL else ifelse(is.na(e$AVAL), e$AVAL_MIN, e$AVAL)
    high <- if (is.null(e$AVAL_MAX)) e$AVAL else ifelse(is.na(e$AVAL), e$AVAL_MAX, e$AVAL)
    event <- e$CNSR == 0                                     # a time known in part is the middle of what is possible
    end <- data.frame(subject_id = e$subject_id, time = ifelse(event, (low + high) / 2, low), event, entry = if (is.null(e$ENTRY)) -1 else ifelse(is.na(e$ENTRY), -1, e$ENTRY))
    own <- c("subject_id", setdiff(names(release$subjects), names(release$analysis)))
    merge(merge(release$analysis, release$subjects[own]), end[!is.na(end$time) & end$entry < end$time, ])
  }
  release$data <- lapply(split(release$adtte, release$adtte$PARAMCD), data_of)
  rhdf5::h5closeAll()
  release
}

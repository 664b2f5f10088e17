# Answers for test_cox_reference.py on rows of our own. Run from this folder: Rscript cox.R
# Needs survival and jsonlite. Writes ../cox_rows.csv (synthetic, fixed seed: nobody is
# described) and ../cox_fresh.json. The answers on published data sets in ../cox.json come from
# the same version of survival, and those of crr from cmprsk 2.2-11; each names its call.
suppressMessages({library(survival); library(jsonlite)})

set.seed(20)
people <- 90
rows <- do.call(rbind, lapply(seq_len(people), function(id) {
  frailty <- rgamma(1, 2, 2)
  x1 <- rbinom(1, 1, .5); x2 <- round(rnorm(1), 2); s <- sample(c("a", "b", "c"), 1)
  t <- sample(0:5, 1); out <- NULL
  while (t < 60 && (is.null(out) || nrow(out) < 6)) {
    stop <- min(t + ceiling(rexp(1, .04 * frailty * exp(-.5 * x1 + .3 * x2))), 60)
    event <- as.integer(stop < 60 && runif(1) < .7)
    out <- rbind(out, data.frame(id, start = t, stop, event, x1, x2 = round(x2 + .1 * t, 2), s,
                                 w = round(runif(1, .2, 3), 3)))
    t <- stop + sample(c(0, 0, 4), 1)  # now and then a gap, as custody makes
    if (runif(1) < .15) break
  }
  out
}))
rows$area <- rows$id %% 12
write.csv(rows, "../cox_rows.csv", row.names = FALSE)

answer <- function(fit, zph = TRUE) {
  out <- list(coef = unname(coef(fit)), se = unname(sqrt(diag(vcov(fit)))),
              naive_se = unname(sqrt(diag(if (is.null(fit$naive.var)) fit$var else fit$naive.var))),
              loglik = fit$loglik, score = fit$score, wald = unname(fit$wald.test))
  if (zph) for (how in c("km", "rank", "identity", "log"))
    out$zph[[how]] <- unname(cox.zph(fit, transform = how)$table[, "chisq"])
  out
}
cases <- list()
for (ties in c("efron", "breslow")) {
  plain <- coxph(Surv(start, stop, event) ~ x1 + x2, rows, ties = ties, eps = 1e-11)
  strat <- coxph(Surv(start, stop, event) ~ x1 + x2 + strata(s), rows, ties = ties, eps = 1e-11)
  cases[[paste0("plain/", ties)]] <- answer(plain)
  cases[[paste0("strata/", ties)]] <- answer(strat)
  cases[[paste0("strata_weights_cluster/", ties)]] <- answer(coxph(
    Surv(start, stop, event) ~ x1 + x2 + strata(s), rows, weights = w, cluster = id, ties = ties,
    eps = 1e-11))
  cases[[paste0("area/", ties)]] <- answer(coxph(
    Surv(start, stop, event) ~ x1 + x2, rows, cluster = area, ties = ties, eps = 1e-11))
  cases[[paste0("no_start/", ties)]] <- answer(coxph(
    Surv(stop, event) ~ x1 + x2, rows, weights = w, robust = TRUE, ties = ties, eps = 1e-11))
  curve <- summary(survfit(plain, newdata = data.frame(x1 = 1, x2 = .5)), times = c(10, 20, 40))
  curves <- summary(survfit(strat, newdata = data.frame(x1 = 1, x2 = .5)), times = c(10, 20, 40))
  cases[[paste0("curves/", ties)]] <- list(
    surv = curve$surv, se = curve$std.err, strata = as.character(curves$strata),
    strata_surv = curves$surv, strata_se = curves$std.err)
  weighted <- coxph(Surv(start, stop, event) ~ x1 + x2, rows, weights = w, ties = ties, eps = 1e-11)
  cases[[paste0("residuals/", ties)]] <- list(
    martingale = unname(resid(weighted, "martingale")),
    dfbeta = unname(resid(weighted, "dfbeta", weighted = TRUE)),
    schoenfeld = unname(resid(plain, "schoenfeld")))
}
cases$heart <- answer(coxph(Surv(start, stop, event) ~ transplant + age + surgery, heart,
                            eps = 1e-11))
cases$sessionInfo <- list(R = R.version.string, survival = as.character(packageVersion("survival")))
write(toJSON(cases, digits = 17, auto_unbox = TRUE), "../cox_fresh.json")
